"""A program of this package, run as a process of its own."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.programs.processes import die_with_parent
from tests.programs.server_process import ROOT, plain_environment, uninterrupted

if TYPE_CHECKING:
    from collections.abc import Sequence

STOP_SECONDS = 5.0


class LoadError(Exception):
    """A call of the load did not go well; the message tells its status."""


@dataclass(frozen=True, slots=True)
class Call:
    """What to call: the server's address, the method's path, the request's bytes."""

    target: str
    method: str
    request: bytes

    def form(self) -> dict[str, str]:
        """Give the form in which the load program takes it."""
        return {"target": self.target, "method": self.method, "request": base64.b64encode(self.request).decode()}


class ChildProgram:
    """A module run with pipes to its standard input and output; use it with ``with``."""

    def __init__(self, module: str) -> None:
        """Run a module of this package."""
        self._command = [sys.executable, "-m", f"tests.bench.{module}"]
        self._process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def __enter__(self) -> ChildProgram:
        with uninterrupted():
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=plain_environment(),
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, that takes no lock
            )
        return self

    def __exit__(self, *_: Any) -> None:
        with uninterrupted():
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._process.communicate()

    def read_line(self) -> str:
        """Read the next line that the program prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def write_line(self, line: str) -> None:
        """Send the program a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


class LoadProgram(ChildProgram):
    """The load, as a process of its own. Each method raises LoadError where a call did not go well."""

    def __init__(self) -> None:
        super().__init__("load")

    def __enter__(self) -> LoadProgram:
        super().__enter__()
        return self

    def one(self, call: Call) -> bytes:
        """Make one call; the answer's bytes."""
        return base64.b64decode(self._ask(kind="one", call=call.form()))

    def closed(
        self, call: Call, in_flight: int, *, seconds: float = 0, calls: int = 0, connections: int = 1
    ) -> dict[str, Any]:
        """Keep calls in flight for a time or up to a number; "seconds", "cpu_seconds", and "latencies" in ms."""
        limits = {"seconds": seconds, "calls": calls}
        answer = self._ask(kind="closed", call=call.form(), in_flight=in_flight, connections=connections, **limits)
        assert isinstance(answer, dict)
        return answer

    def paced(self, calls: Sequence[Call], rate: float, seconds: float) -> list[list[float]]:
        """Make each call so many times a second for a time; the latencies of each, in milliseconds."""
        answers = self._ask(kind="paced", calls=[call.form() for call in calls], rate=rate, seconds=seconds)
        return [answer["latencies"] for answer in answers]

    def begin_flood(self, calls: Sequence[Call], rate: float, seconds: float) -> None:
        """Begin to make calls in turns, so many a second; ``answer`` gives what flood.flood tells."""
        self._begin(kind="flood", calls=[call.form() for call in calls], rate=rate, seconds=seconds)

    def open_streams(self, call: Call, count: int, connections: int) -> None:
        """Open streams on so many connections, and wait until each has brought a message."""
        self._ask(kind="open", call=call.form(), count=count, connections=connections)

    def close_streams(self) -> int:
        """End the streams; how many messages they brought."""
        return int(self._ask(kind="close")["messages"])

    def watch(
        self,
        watches: Sequence[Call],
        triggers: Sequence[Call],
        pid: int,
        *,
        streams: int,
        messages: int,
        pause: float = 0,
    ) -> Any:
        """Open streams of these calls in turns, then make the trigger calls, all at once or with pauses; wait until
        each stream has had so many messages: "seconds", "cpu_seconds" of the load, "server_seconds" of the process
        ``pid``, and, where there are pauses, "delays" in ms from each change to its receipt.
        """
        return self._ask(
            kind="watch",
            calls=[watch.form() for watch in watches],
            triggers=[trigger.form() for trigger in triggers],
            pid=pid,
            streams=streams,
            messages=messages,
            pause=pause,
        )

    def _ask(self, **command: Any) -> Any:
        self._begin(**command)
        return self.answer()

    def _begin(self, **command: Any) -> None:
        self.write_line(json.dumps(command))

    def answer(self) -> Any:
        """Wait for the answer of what was begun."""
        line = self.read_line()
        answer = json.loads(line) if line else {"problem": "the load program ended"}
        if "problem" in answer:
            raise LoadError(answer["problem"])
        return answer["answer"]
