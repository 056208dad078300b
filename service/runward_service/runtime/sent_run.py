"""Runs that a worker was sent and has not answered. It makes them one after another, in the order of their coming."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from runward_service.runtime.received_artifacts import ReceivedArtifacts

if TYPE_CHECKING:
    from collections.abc import Callable


class WorkerEnded(Exception):  # noqa: N818 - an event more than a fault
    """The worker answers no more. ``begun`` tells whether it may have begun the run that is asked for."""

    def __init__(self, *, begun: bool) -> None:
        """Say whether the run may have begun."""
        super().__init__()
        self.begun = begun


class SentRun:
    """One run that a worker was sent."""

    __slots__ = (
        "_changed",
        "_loop",
        "_timeout_seconds",
        "artifacts",
        "begin_time",
        "deadline",
        "job_id",
        "on_timeout",
        "reply",
        "unanswered",
    )

    def __init__(self, job_id: str, timeout_seconds: float, on_timeout: Callable[[], None]) -> None:
        """Call ``on_timeout`` when the run is not over so many seconds after it began."""
        self.job_id = job_id
        self._timeout_seconds = timeout_seconds
        self.on_timeout = on_timeout
        self._loop = asyncio.get_running_loop()
        self._changed: asyncio.Future[None] | None = None
        self.reply: asyncio.Future[tuple[dict[str, Any], bytes]] = self._loop.create_future()
        """The worker's answer, or WorkerEnded, or what stopped the run."""
        self.begin_time = 0.0
        """When the worker may have begun it, by the loop's clock; 0 as long as others are before it."""
        self.deadline = 0.0
        """When it has to be over, by the loop's clock; 0 before it has begun."""
        self.artifacts: ReceivedArtifacts | None = None
        """What it has given back so far."""
        self.unanswered = False
        """Whether it was sent and an answer may still come."""

    def begin(self) -> None:
        """Nothing is before it any more."""
        self.begin_time = self._loop.time()
        self.deadline = self.begin_time + self._timeout_seconds
        self._notify()

    def elapsed_us(self) -> int:
        """How long ago it began, in microseconds."""
        return int((self._loop.time() - self.begin_time) * 1e6)

    def answer(self, meta: dict[str, Any], body: bytes) -> None:
        """The worker has answered."""
        self._end()
        if not self.reply.done():
            self.reply.set_result((meta, body))

    def fail(self) -> None:
        """The worker will not answer."""
        self._end()
        if not self.reply.done():
            self.reply.set_exception(WorkerEnded(begun=self.begin_time > 0))

    def _end(self) -> None:
        self.unanswered = False
        self._notify()

    def _notify(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def change(self, timeout_seconds: float | None = None) -> None:
        """Wait until it begins, is answered or given up, or for so long."""
        self._changed = self._loop.create_future()
        await asyncio.wait([self._changed], timeout=timeout_seconds)


class SentRuns:
    """All that a worker was sent and has not answered; only the first can have begun."""

    def __init__(self) -> None:
        """Start empty."""
        self._runs: deque[SentRun] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_time = 0.0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._runs)

    @property
    def begin_time(self) -> float:
        """When the first began."""
        return self._runs[0].begin_time

    def add(self, run: SentRun) -> None:
        """Another was sent."""
        self._runs.append(run)
        run.unanswered = True
        if len(self._runs) == 1:
            self._begin(run)

    def answer(self, meta: dict[str, Any], body: bytes) -> bool:
        """The worker answered the first; False where the answer is not of that run."""
        if not self._runs or meta.get("job_id") != self._runs[0].job_id:
            return False
        self._runs.popleft().answer(meta, body)
        if meta.get("tainted"):
            self.fail()  # the worker makes no further run after that answer
        elif self._runs:
            self._begin(self._runs[0])
        return True

    def add_artifact(self, meta: dict[str, Any], body: bytes) -> bool:
        """The worker sent a piece of an artifact of the first; False where it is not of that run. Raises FrameError."""
        if not self._runs or meta.get("job_id") != self._runs[0].job_id:
            return False
        run = self._runs[0]
        if run.artifacts is None:
            run.artifacts = ReceivedArtifacts()
        run.artifacts.add(meta, body)
        return True

    def fail(self) -> None:
        """The worker answers none of them."""
        while self._runs:
            self._runs.popleft().fail()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, run: SentRun) -> None:
        run.begin()
        # One timer serves many runs: it is set anew only for an earlier deadline, or when it went off.
        if self._timer is None or run.deadline < self._timer_time:
            self._set_timer(run.deadline)

    def _set_timer(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_time = deadline
        self._timer = asyncio.get_running_loop().call_at(deadline, self._look_at_time)

    def _look_at_time(self) -> None:
        self._timer = None
        if not self._runs:
            return
        first = self._runs[0]
        if first.deadline <= self._timer_time:
            first.on_timeout()
        else:
            self._set_timer(first.deadline)
