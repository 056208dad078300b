"""Processors: where the threads of this process run."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ENOUGH = 32
"""After so many calls of a lone caller in a row the threads are gathered."""
PAUSE_SECONDS = 0.5
"""Who makes no call for so long is no caller any more."""
LOOK_SECONDS = 0.1
MOST_BUSY, MOST_WAITING = 0.95, 0.3
"""As shares of the time between two looks: what the process may compute on its one processor, and what the loop's
thread may wait for it, before the threads are spread again, for HOLD_SECONDS at least.
"""
HOLD_SECONDS = 5.0
NANOSECOND = 1e-9
TASKS, LOOP_STATUS, LOOP_TIMES = (
    Path("/proc/self/task"),
    Path("/proc/thread-self/stat"),
    Path("/proc/thread-self/schedstat"),
)
PROCESSOR_FIELD = 36
"""Of a thread's status, counted from what follows its name (proc(5))."""


class Processors:
    """A call passes through several threads, one after the other. Where nothing else is under way, the system wakes
    each of them on a processor that sleeps, which on a virtual machine takes longer than the thread's work. So a lone
    caller finds them on one processor. Whatever else comes spreads them again. Used on the loop alone.
    """

    def __init__(self, others: Callable[[], bool]) -> None:
        """Start spread; ``others`` tells whether jobs are under way beside the one that was just finished."""
        self.all = os.sched_getaffinity(0)
        self._others = others
        self._gathered = False
        self._alone = 0
        self._last = self._not_before = 0.0
        self._looked = (0.0, 0.0, 0.0)
        self._timer: asyncio.TimerHandle | None = None

    def alone(self) -> None:
        """A lone caller's job was committed on the loop."""
        if self._others():
            self.company()
            return
        now = time.monotonic()
        self._alone = self._alone + 1 if now - self._last < PAUSE_SECONDS else 1
        self._last = now
        if not self._gathered and self._alone >= ENOUGH and now >= self._not_before and len(self.all) > 1:
            self._gather()

    def company(self) -> None:
        """Something else is under way."""
        self._alone = 0
        self.spread()

    def spread(self) -> None:
        """Let the threads run wherever they may; again does nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gathered:
            self._gathered = False
            run_on(self.all)

    def _gather(self) -> None:
        try:
            processor = int(LOOP_STATUS.read_text().rpartition(")")[2].split()[PROCESSOR_FIELD])
            self._looked = times()
            self._gathered = True
            run_on({processor})
        except (OSError, ValueError, IndexError):  # a system that tells nothing of that
            self._not_before = float("inf")
            self.spread()
            return
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        before, self._looked = self._looked, times()
        now, busy, waiting = (new - old for new, old in zip(self._looked, before, strict=True))
        if busy > MOST_BUSY * now or waiting > MOST_WAITING * now:
            self._not_before = self._looked[0] + HOLD_SECONDS
            self.company()
        elif self._looked[0] - self._last > PAUSE_SECONDS:
            self.company()
        else:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)


def run_on(processors: set[int]) -> None:
    """Have all threads of this process run on these processors, as far as the system lets them. Raises OSError where it
    tells of no threads.
    """
    for task in TASKS.iterdir():
        with suppress(OSError):  # it may just have ended
            os.sched_setaffinity(int(task.name), processors)


def times() -> tuple[float, float, float]:
    """The time, what this process has computed and what this thread has waited for a processor, in seconds. Raises
    OSError.
    """
    return time.monotonic(), time.process_time(), int(LOOP_TIMES.read_text().split()[1]) * NANOSECOND
