"""The worker processes of all plugins: started in the background, handed out one run at a time, replaced when
they end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.run_reply import RunReply
from runward_service.runtime.frames import encode_run_frame
from runward_service.runtime.plugin_output import PluginOutput
from runward_service.runtime.plugin_workers import PluginWorkers
from runward_service.runtime.run_errors import describe_end, failure_error, lost_error, time_out, unavailable_error
from runward_service.runtime.sent_run import SentRun, WorkerEnded
from runward_service.runtime.vital_signs import VitalSigns
from runward_service.runtime.worker_environment import worker_environment
from runward_service.runtime.worker_fresh import FreshWorkers
from runward_service.runtime.worker_process import WorkerProcess
from runward_service.runtime.worker_startup import WorkerStartup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from runward_service.domain.job import Job
    from runward_service.plugins.loader import PluginSource
    from runward_service.plugins.registry import PluginEntry, PluginRegistry
    from runward_service.runtime.run_control import RunControl

IDLE_SECONDS = 300.0
STOP_GRACE_SECONDS = 0.05
WORKER_WAIT_SECONDS = 10.0
"""An attempt waits for a worker as long as it may run, but at least so long, for a worker takes a while to start."""

logger = logging.getLogger(__name__)


class WorkerPool(Protocol):
    """Where runs happen. The local processes are one implementation."""

    async def run(self, entry: PluginEntry, job: Job, control: RunControl) -> RunReply:
        """Run a job's attempt; raises GovernedError for every other end of it."""


class LocalWorkerPool:
    """Worker processes on this machine."""

    def __init__(
        self,
        registry: PluginRegistry,
        limit: int,
        supervise: Callable[[Awaitable[None], str], asyncio.Future[None]],
        variables: Sequence[str] = (),
    ) -> None:
        """Run at most ``limit`` at once (the scheduler keeps to it); ``supervise`` runs a coroutine whose failure stops
        the server; ``variables`` names what workers get of this process's environment beside what all need.
        """
        self._variables = variables
        self._fresh = FreshWorkers(registry, limit, variables)
        self._registry = registry
        self._limit = limit
        self._supervise = supervise
        self.on_progress: Callable[[str, float, str], None] = ignore_progress
        """Takes a job id, a fraction and a message."""
        self.on_loaded: Callable[[str, Mapping[str, str]], str] = accept_loaded
        """Takes a plugin and what its worker loaded of the service; answers why the worker may not be used, if so."""
        self._vital_signs = VitalSigns(registry)
        self._plugins: dict[int, PluginWorkers] = {}
        self._closing = asyncio.Event()
        self._startups: set[asyncio.Future[None]] = set()

    def start(self, sources: Iterable[PluginSource]) -> None:
        """Enter the plugins in the registry and start their workers in the background."""
        for source in sources:
            entry = self._registry.add(source)
            group = PluginWorkers(entry, PluginOutput(source.placeholder))
            self._plugins[id(entry)] = group
            self._start_worker(group)
        self._supervise(self._retire_idle(), "worker retirement")
        self._supervise(self._vital_signs.watch(self._plugins.values, self._end_silent), "the watch on workers")

    async def close(self) -> None:
        """End every worker with all that descends from it."""
        self._closing.set()
        await self._fresh.close()
        groups = list(self._plugins.values())
        # A worker that is just being started is in no group yet: its startup sees the closing and ends it.
        while (workers := [worker for group in groups for worker in group.workers]) or self._startups:
            await asyncio.gather(*(worker.kill() for worker in workers))
            for group in groups:
                group.workers.difference_update(workers)
            if self._startups:
                await asyncio.wait(self._startups, return_when=asyncio.FIRST_COMPLETED)
        for group in groups:
            group.output.close()

    async def run(self, entry: PluginEntry, job: Job, control: RunControl) -> RunReply:
        """Run a job's attempt in a worker of its plugin.

        Raises GovernedError: what the plugin or the rules refused, TIMEOUT, MEMORY_LIMIT, WORKER_LOST,
        PLUGIN_UNAVAILABLE, or what stopped the run through ``control``. When it returns or raises, nothing of the run
        is left.
        """
        group = self._plugins[id(entry)]
        if control.fresh:
            return await reply_of(entry, *await self._fresh.run(entry, group.output, job, control, self.on_loaded))
        while True:
            worker = group.take() or await self._wait_for_worker(group, job, control)
            try:
                run, meta, body = await self._run_in(worker, group, job, control)
                break
            except WorkerEnded as ended:
                if ended.begun:
                    end = await worker.end()
                    self._vital_signs.note_loss(group, describe_end(end))
                    raise lost_error(end, entry) from None
                # It waited behind another run, which took the worker with it.
        group.losses = 0
        group.note_duration(meta.get("duration_us"))
        return await reply_of(entry, worker, run, meta, body)

    async def _run_in(
        self, worker: WorkerProcess, group: PluginWorkers, job: Job, control: RunControl
    ) -> tuple[SentRun, dict[str, Any], bytes]:
        run = SentRun(job.id, job.timeout_us / 1e6, partial(time_out, job, control))
        try:
            control.check()
            worker.send(run, encode_run_frame(job))
            control.bind(run.reply)
            group.serve_next()
            return run, *await run.reply
        except WorkerEnded as ended:
            if ended.begun:
                await worker.end()  # by itself, so that its keeper can tell why
            raise
        except GovernedError as error:
            if error.reason is ErrorReason.TIMEOUT:
                self._vital_signs.note_timeout(group, worker, job.timeout_us)
            await see_over(run, worker, group)
            raise
        finally:
            if worker.spent:
                await self._replace(group, worker)
            elif not worker.runs and not group.is_idle(worker):
                group.give_back(worker)

    async def _wait_for_worker(self, group: PluginWorkers, job: Job, control: RunControl) -> WorkerProcess:
        waiting = group.wait()
        control.bind(waiting)
        seconds = max(job.timeout_us / 1e6, WORKER_WAIT_SECONDS)
        timer = asyncio.get_running_loop().call_later(seconds, give_up, waiting, group.entry, seconds)
        if group.short_of_workers:
            self._start_worker(group)
        try:
            return await waiting
        finally:
            timer.cancel()
            group.leave(waiting)

    def _end_silent(self, group: PluginWorkers, worker: WorkerProcess) -> None:
        if group.is_idle(worker):
            group.forget(worker)
            self._supervise(self._replace(group, worker), "replacement of a worker")
        else:  # its run ends with it, and then it is replaced
            worker.spent = True
            self._supervise(kill_silent(worker), "end of a worker")

    async def _replace(self, group: PluginWorkers, worker: WorkerProcess) -> None:
        await worker.kill()
        group.forget(worker)
        if not group.any_idle and not group.starting:
            self._start_worker(group)

    def _start_worker(self, group: PluginWorkers) -> None:
        if not self._closing.is_set() and len(group.workers) + group.starting < self._wanted(group):
            group.starting += 1
            startup = self._supervise(self._bring_up(group), f"start of a worker of {group.entry.name}")
            self._startups.add(startup)
            startup.add_done_callback(self._startups.discard)

    async def _bring_up(self, group: PluginWorkers) -> None:
        """Start one worker and see it ready, or make the plugin UNAVAILABLE and try again later where that may help."""
        startup = WorkerStartup(self._registry, group.entry, self.on_progress, self.on_loaded)
        worker = WorkerProcess(group.entry.source.target, startup.received, group.output)
        try:
            await worker.start(worker_environment(self._variables))
            group.workers.add(worker)
            if self._closing.is_set():
                worker.close()
            problem, permanent = await startup.wait(worker)
        except OSError as error:
            problem, permanent = f"a worker cannot be started: {error}", False
        group.starting -= 1
        if not problem:
            group.ready()
            self._watch_idle(group, worker)
            group.give_back(worker)
            self._start_worker(group)
            return
        if worker in group.workers:
            await worker.kill()
            group.forget(worker)
        if self._closing.is_set():
            return
        if not group.workers and group.has_just_failed and not startup.answered:
            # Killed, as any process may be: those before it came up, and the next one is likely to.
            self._registry.doubt(group.entry, problem)
        elif not group.workers:
            self._registry.fail_loading(group.entry, problem, lost=not startup.answered)
        group.fail_waiting(problem, lost=not startup.answered)
        if not permanent or group.was_ready:
            await self._pause(group.next_pause())
            if not group.workers and not group.starting:
                self._start_worker(group)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not beyond the closing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _wanted(self, group: PluginWorkers) -> int:
        description = group.entry.description
        return min(description.concurrency, self._limit) if description else 1

    def runs_ahead(self, entry: PluginEntry) -> int:
        """How many runs may be given for each one that a worker of the plugin makes, to wait at that worker."""
        return self._plugins[id(entry)].runs_ahead

    def _watch_idle(self, group: PluginWorkers, worker: WorkerProcess) -> None:
        """Forget a worker that ends while nobody uses it, and start another."""

        def ended(_: object) -> None:
            if group.is_idle(worker) and not self._closing.is_set():
                group.forget(worker)
                logger.warning("worker %d of %s ended while idle", worker.pid, group.entry.name)
                self._vital_signs.note_loss(group, "while idle")
                self._supervise(self._replace(group, worker), "replacement of a worker")

        worker.lost.add_done_callback(ended)

    async def _retire_idle(self) -> None:
        """End workers that nobody has used for a while, all but one a plugin."""
        while not self._closing.is_set():
            await asyncio.sleep(IDLE_SECONDS / 10)
            limit = time.monotonic() - IDLE_SECONDS
            for group in self._plugins.values():
                for worker in group.unused_since(limit):
                    if not group.is_idle(worker):  # taken while the one before it was ended
                        continue
                    group.forget(worker)
                    await worker.kill()


async def reply_of(
    entry: PluginEntry, worker: WorkerProcess, run: SentRun, meta: dict[str, Any], body: bytes
) -> RunReply:
    """What a worker answered to a run. Raises GovernedError where it answered with a failure."""
    if meta["type"] != "result":
        raise failure_error(meta, entry)
    artifacts = await asyncio.to_thread(run.artifacts.complete) if run.artifacts is not None else ()
    return RunReply(body, str(meta.get("digest", "")), worker.code_digest, artifacts)


async def see_over(run: SentRun, worker: WorkerProcess, group: PluginWorkers) -> None:
    """See that nothing is left of a run that was stopped: it is answered, or its worker is killed.

    Nothing is taken back from a worker, so a run that waits there has its turn first. A short run gets a moment to end
    by itself: killing its worker then would cost more, and might hit the run that comes after it.
    """
    while run.unanswered and not run.begin_time:
        await run.change()
    if run.unanswered and group.runs_ahead:
        await run.change(STOP_GRACE_SECONDS)
    if run.unanswered:
        group.note_duration(run.elapsed_us())
        await worker.kill()


async def kill_silent(worker: WorkerProcess) -> None:
    """End a worker in the midst of a run."""
    await worker.kill()


def give_up(waiting: asyncio.Future[WorkerProcess], entry: PluginEntry, seconds: float) -> None:
    """A run has waited long enough for a worker."""
    if not waiting.done():
        waiting.set_exception(unavailable_error(entry, f"no worker was to be had within {seconds:g} s"))


def ignore_progress(job_id: str, fraction: float, message: str) -> None:
    """Nobody wants to know."""


def accept_loaded(plugin: str, loaded: Mapping[str, str]) -> str:
    """Nobody compares."""
    return ""
