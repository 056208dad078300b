"""Workers that make one run and end: for runs that nothing before them may have had an influence on."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from runward_service.runtime.frames import encode_run_frame
from runward_service.runtime.run_errors import lost_error, time_out, unavailable_error
from runward_service.runtime.sent_run import SentRun, WorkerEnded
from runward_service.runtime.worker_environment import worker_environment
from runward_service.runtime.worker_process import WorkerProcess
from runward_service.runtime.worker_startup import WorkerStartup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runward_service.domain.job import Job
    from runward_service.domain.plugin_description import PluginDescription
    from runward_service.plugins.registry import PluginEntry, PluginRegistry
    from runward_service.runtime.plugin_output import PluginOutput
    from runward_service.runtime.run_control import RunControl


class FreshWorkers:
    """Starts a worker for one run, beside those of the pool. It changes nothing of what is known of its plugin."""

    def __init__(self, registry: PluginRegistry, limit: int, variables: Sequence[str]) -> None:
        """Have at most ``limit`` at once; further runs wait."""
        self._registry = registry
        self._limit = limit
        self._variables = variables
        self._workers: set[WorkerProcess] = set()
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def run(
        self,
        entry: PluginEntry,
        output: PluginOutput,
        job: Job,
        control: RunControl,
        on_loaded: Callable[[str, Any], str],
    ) -> tuple[WorkerProcess, SentRun, dict[str, Any], bytes]:
        """Run a job's attempt: the worker, which has ended, the run and its answer. Raises GovernedError."""
        await self._enter(control)
        startup = ApartStartup(self._registry, entry, on_loaded)
        worker = WorkerProcess(entry.source.target, startup.received, output, restless=True)  # so that races show
        self._workers.add(worker)
        started = False
        try:
            await worker.start(worker_environment(self._variables))
            started = True
            await self._wait_for(startup, worker, entry, control)
            return worker, *await self._made(worker, entry, job, control)
        except OSError as error:
            raise unavailable_error(entry, f"a worker cannot be started: {error}") from error
        finally:
            if started:
                await worker.kill()
            self._workers.discard(worker)
            self._leave()

    async def close(self) -> None:
        """End all of them; their runs end with that."""
        self._closed = True
        for worker in list(self._workers):
            worker.close()

    async def _enter(self, control: RunControl) -> None:
        control.check()
        while self._taken >= self._limit:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            control.bind(waiting)
            await waiting
        self._taken += 1

    def _leave(self) -> None:
        self._taken -= 1
        while self._waiting:
            if not (first := self._waiting.popleft()).done():
                first.set_result(None)
                return

    async def _wait_for(
        self, startup: ApartStartup, worker: WorkerProcess, entry: PluginEntry, control: RunControl
    ) -> None:
        """Wait until the worker is ready. Raises GovernedError."""
        if self._closed:
            worker.close()
        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        control.bind(stopped)
        ready = asyncio.ensure_future(startup.wait(worker))
        either: list[asyncio.Future[Any]] = [ready, stopped]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                stopped.result()
            problem, _ = ready.result()
        finally:
            ready.cancel()
        if problem:
            raise unavailable_error(entry, problem)

    @staticmethod
    async def _made(
        worker: WorkerProcess, entry: PluginEntry, job: Job, control: RunControl
    ) -> tuple[SentRun, dict[str, Any], bytes]:
        run = SentRun(job.id, job.timeout_us / 1e6, partial(time_out, job, control))
        worker.send(run, encode_run_frame(job))
        control.bind(run.reply)
        try:
            return run, *await run.reply
        except WorkerEnded:
            raise lost_error(await worker.end(), entry) from None


class ApartStartup(WorkerStartup):
    """What a worker says that is none of the pool's: its plugin's state does not follow from it."""

    def __init__(self, registry: PluginRegistry, entry: PluginEntry, on_loaded: Callable[[str, Any], str]) -> None:
        """Tell nobody how far its run is."""
        super().__init__(registry, entry, lambda _id, _fraction, _message: None, on_loaded)

    def _describe(self, description: PluginDescription) -> None:
        """The plugin is known already."""

    def _fail(self, problem: str) -> None:
        """It is this worker's problem."""

    def _finish(self) -> None:
        """The plugin is known already."""
