"""The workers of one plugin, and which of them takes the next run."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from runward_service.runtime.run_errors import lost_start_error, unavailable_error

if TYPE_CHECKING:
    from runward_service.plugins.registry import PluginEntry
    from runward_service.runtime.plugin_output import PluginOutput
    from runward_service.runtime.worker_process import WorkerProcess

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 60.0
SHORT_RUN_US = 1000.0
AHEAD_US = 3000.0
MOST_AHEAD = 15
"""A busy worker of a plugin with short runs is sent as many before it has answered as take AHEAD_US together, at most
MOST_AHEAD: the loop may be busy with a crowd of calls for that long before it looks at answers again.
"""
LONG_RUN_SECONDS = 0.05
"""A worker whose run takes that long is sent no further one, whatever the runs before it took."""
SMOOTHING = 8


class PluginWorkers:
    """The workers of one plugin: those that wait for runs, and the runs that wait for workers."""

    def __init__(self, entry: PluginEntry, output: PluginOutput) -> None:
        """Start without workers; what they print goes to ``output``."""
        self._loop = asyncio.get_running_loop()
        self.entry = entry
        self.output = output
        self.workers: set[WorkerProcess] = set()
        self.starting = 0
        self.was_ready = False
        """Whether setup ever succeeded, so that a later failure of it is worth another try."""
        self.losses = 0
        """Workers and runs lost since a run was last answered."""
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._idle: list[WorkerProcess] = []
        self._waiting: deque[asyncio.Future[WorkerProcess]] = deque()
        self._typical_us = 10 * SHORT_RUN_US
        """What a run takes in the worker, smoothed over the last ones; long until it is known."""

    @property
    def runs_ahead(self) -> int:
        """How many runs may wait at a busy worker, so that it need not wait for the service between short runs."""
        if self._typical_us > SHORT_RUN_US:
            return 0
        return min(int(AHEAD_US / max(self._typical_us, 1.0)), MOST_AHEAD)

    def note_duration(self, duration_us: object) -> None:
        """A worker tells what a run took."""
        if isinstance(duration_us, int) and duration_us >= 0:
            self._typical_us += (duration_us - self._typical_us) / SMOOTHING

    def take(self) -> WorkerProcess | None:
        """A worker for the next run: an idle one, or a busy one of short runs that has room; None where runs wait."""
        if self._waiting:
            return None
        return self._next()

    def _next(self) -> WorkerProcess | None:
        for worker in reversed(self._idle):
            # One that has just ended stays, for whoever hears of its end replaces it only while it is idle.
            if not worker.spent:
                self._idle.remove(worker)
                return worker
        if not self.runs_ahead:
            return None
        latest = self._loop.time() - LONG_RUN_SECONDS
        fewest, found = self.runs_ahead + 1, None
        for worker in self.workers:
            count = len(worker.runs)
            if 0 < count < fewest and not worker.spent and worker.runs.begin_time > latest:
                fewest, found = count, worker
        return found

    def wait(self) -> asyncio.Future[WorkerProcess]:
        """A future worker, for a run that found none; give it to ``leave`` when it is of no use any more."""
        waiting: asyncio.Future[WorkerProcess] = self._loop.create_future()
        self._waiting.append(waiting)
        return waiting

    def leave(self, waiting: asyncio.Future[WorkerProcess]) -> None:
        """Wait no more."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    @property
    def short_of_workers(self) -> bool:
        """Whether more runs wait than workers are being started for them."""
        return self.starting < len(self._waiting)

    def give_back(self, worker: WorkerProcess) -> None:
        """A worker has nothing to do."""
        worker.idle_since = time.monotonic()
        self._idle.append(worker)
        self.serve_next()

    def serve_next(self) -> None:
        """Give the run that has waited longest a worker, if there is one. Once it is sent, this is called again."""
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
            elif (worker := self._next()) is not None:
                self._waiting.popleft().set_result(worker)
                return
            else:
                return

    def fail_waiting(self, problem: str, *, lost: bool) -> None:
        """No worker will come: the plugin cannot be used, or the worker was lost, as one may be in a run."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception((lost_start_error if lost else unavailable_error)(self.entry, problem))

    def is_idle(self, worker: WorkerProcess) -> bool:
        """Whether a worker waits for runs."""
        return worker in self._idle

    @property
    def any_idle(self) -> bool:
        """Whether some worker waits for runs."""
        return bool(self._idle)

    def forget(self, worker: WorkerProcess) -> None:
        """A worker has ended, or is being ended."""
        self.workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)

    def unused_since(self, limit: float) -> list[WorkerProcess]:
        """The workers that have been idle since before a time of the monotonic clock; one worker is kept."""
        return [worker for worker in self._idle if worker.idle_since < limit][: max(len(self.workers) - 1, 0)]

    @property
    def has_just_failed(self) -> bool:
        """Whether a worker had come up before the one that has failed now: the first failure in a row."""
        return self.was_ready and self._retry_seconds == FIRST_RETRY_SECONDS

    def ready(self) -> None:
        """A worker has come up."""
        self._retry_seconds = FIRST_RETRY_SECONDS
        self.was_ready = True

    def next_pause(self) -> float:
        """How long to wait before the next try to start a worker, in seconds; doubles with each."""
        seconds = self._retry_seconds
        self._retry_seconds = min(2 * seconds, LAST_RETRY_SECONDS)
        return seconds
