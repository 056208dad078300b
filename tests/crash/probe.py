"""The probe: counts what passes, writes it down where a SIGKILL cannot reach it, and kills at one point."""

from __future__ import annotations

import mmap
import os
import signal
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.point import Kind, Point, Victim

if TYPE_CHECKING:
    from collections.abc import Iterator


class Probe:
    """One for a process and what it forks."""

    def __init__(self, trace: Path, at: Point | None, victim: Victim) -> None:
        """Write the points that pass to a file; at ``at``, kill."""
        self._trace = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._at = at
        self._victim = victim
        self.counts: Counter[tuple[Kind, str, str]] = Counter()
        self._lock = threading.Lock()
        self._armed = mmap.mmap(-1, 1)  # shared with what is forked
        self.passed = 0
        """How many events there were in this process, whether armed or not."""
        self.in_worker = False
        self.coming: set[object] = set()
        """The workers that were started and are not ready yet."""

    @property
    def armed(self) -> bool:
        """Whether the life has begun and not ended."""
        return self._armed[0] == 1

    @armed.setter
    def armed(self, armed: bool) -> None:
        self._armed[0] = int(armed)

    def event(self, kind: Kind, name: str, moment: str, keeper: int = 0) -> None:
        """Something happens, to the worker of a keeper if one is named."""
        with self._lock:
            self.passed += 1
            if not self.armed:
                return
            key = (kind, name.replace("/", "|").replace(":", "|"), moment)
            self.counts[key] += 1
            point = Point(*key, self.counts[key])
            os.write(self._trace, f"{point}\n".encode())
            if point == self._at:
                self._kill(keeper)

    @contextmanager
    def around(self, kind: Kind, name: str, keeper: int = 0) -> Iterator[None]:
        """Something happens from the beginning of the block to its end, where it does not raise."""
        self.event(kind, name, "before", keeper)
        yield
        self.event(kind, name, "after", keeper)

    def _kill(self, keeper: int) -> None:
        if self.in_worker:
            pids = [os.getpid() if self._victim is Victim.HOST else os.getppid()]
        elif self._victim is Victim.SERVICE:
            pids = [os.getpid()]
        elif self._victim is Victim.KEEPER:
            pids = [keeper]
        else:
            pids = [int(pid) for pid in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def points_of(trace: Path) -> list[Point]:
    """The points that were written to a trace, in order."""
    return [Point.parse(line) for line in trace.read_text().splitlines()] if trace.exists() else []
