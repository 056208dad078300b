"""The worker processes of all plugins: started in the background, handed out one run at a time, replaced when
they end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from runward_service.domain.errors import ErrorReason
from runward_service.runtime.plugin_output import PluginOutput
from runward_service.runtime.run_errors import failure_error, lost_error, time_out, unavailable_error
from runward_service.runtime.worker_process import WorkerEnded, WorkerProcess
from runward_service.runtime.worker_startup import WorkerStartup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from runward_service.domain.job import Job
    from runward_service.plugins.loader import PluginSource
    from runward_service.plugins.registry import PluginEntry, PluginRegistry
    from runward_service.runtime.run_control import RunControl

IDLE_SECONDS = 300.0
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerReply:
    """A run's result as the worker encoded it, with its digest."""

    result: bytes
    output_digest: str


class WorkerPool(Protocol):
    """Where runs happen. The local processes are one implementation."""

    async def run(self, entry: PluginEntry, job: Job, control: RunControl) -> WorkerReply:
        """Run a job's attempt; raises GovernedError for every other end of it."""


@dataclass(slots=True)
class PluginWorkers:
    """The workers of one plugin."""

    entry: PluginEntry
    output: PluginOutput
    workers: set[WorkerProcess] = field(default_factory=set)
    idle: list[WorkerProcess] = field(default_factory=list)
    waiting: deque[asyncio.Future[WorkerProcess]] = field(default_factory=deque)
    starting: int = 0
    was_ready: bool = False
    """Whether setup ever succeeded, so that a later failure of it is worth another try."""
    retry_seconds: float = FIRST_RETRY_SECONDS


class LocalWorkerPool:
    """Worker processes on this machine."""

    def __init__(
        self,
        registry: PluginRegistry,
        limit: int,
        supervise: Callable[[Awaitable[None], str], asyncio.Future[None]],
    ) -> None:
        """Run at most ``limit`` at once (the scheduler keeps to it); ``supervise`` runs a coroutine whose failure stops
        the server.
        """
        self._registry = registry
        self._limit = limit
        self._supervise = supervise
        self.on_progress: Callable[[str, float, str], None] = ignore_progress
        """Takes a job id, a fraction and a message."""
        self.on_loaded: Callable[[str, Mapping[str, str]], str] = accept_loaded
        """Takes a plugin and what its worker loaded of the service; answers why the worker may not be used, if so."""
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

    async def close(self) -> None:
        """End every worker with all that descends from it."""
        self._closing.set()
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

    async def run(self, entry: PluginEntry, job: Job, control: RunControl) -> WorkerReply:
        """Run a job's attempt in a worker of its plugin.

        Raises GovernedError: what the plugin or the rules refused, TIMEOUT, MEMORY_LIMIT, WORKER_LOST,
        PLUGIN_UNAVAILABLE, or what stopped the run through ``control``. When it returns or raises, nothing of the run
        is left.
        """
        group = self._plugins[id(entry)]
        worker = group.idle.pop() if group.idle else await self._wait_for_worker(group, control)
        usable = False
        timer: asyncio.TimerHandle | None = None
        try:
            reply = worker.begin(run_message(job), job.image.data or b"")
            control.bind(reply)
            timer = asyncio.get_running_loop().call_later(job.timeout_us / 1e6, time_out, job, control)
            meta, body = await reply
            usable = not meta.get("tainted") and meta.get("reason") != ErrorReason.MEMORY_LIMIT.value
        except WorkerEnded:
            raise lost_error(await worker.end(), entry) from None
        finally:
            if timer is not None:
                timer.cancel()
            if usable:
                self._give_back(group, worker)
            else:
                await self._replace(group, worker)
        if meta["type"] == "result":
            return WorkerReply(body, str(meta.get("digest", "")))
        raise failure_error(meta, entry)

    async def _wait_for_worker(self, group: PluginWorkers, control: RunControl) -> WorkerProcess:
        waiting: asyncio.Future[WorkerProcess] = asyncio.get_running_loop().create_future()
        control.bind(waiting)
        group.waiting.append(waiting)
        if group.starting < len(group.waiting):
            self._start_worker(group)
        try:
            return await waiting
        finally:
            if waiting in group.waiting:
                group.waiting.remove(waiting)

    def _give_back(self, group: PluginWorkers, worker: WorkerProcess) -> None:
        while group.waiting:
            waiting = group.waiting.popleft()
            if not waiting.done():
                waiting.set_result(worker)
                return
        worker.idle_since = time.monotonic()
        group.idle.append(worker)

    async def _replace(self, group: PluginWorkers, worker: WorkerProcess) -> None:
        await worker.kill()
        group.workers.discard(worker)
        if not self._closing.is_set() and not group.idle and not group.starting:
            self._start_worker(group)

    def _start_worker(self, group: PluginWorkers) -> None:
        if not self._closing.is_set():
            group.starting += 1
            startup = self._supervise(self._bring_up(group), f"start of a worker of {group.entry.name}")
            self._startups.add(startup)
            startup.add_done_callback(self._startups.discard)

    async def _bring_up(self, group: PluginWorkers) -> None:
        """Start one worker and see it ready, or make the plugin UNAVAILABLE and try again later where that may help."""
        startup = WorkerStartup(self._registry, group.entry, self.on_progress, self.on_loaded)
        worker = WorkerProcess(group.entry.source.target, startup.received, group.output)
        try:
            await worker.start(worker_environment())
            group.workers.add(worker)
            if self._closing.is_set():
                worker.close()
            problem, permanent = await startup.wait(worker)
        except OSError as error:
            problem, permanent = f"a worker cannot be started: {error}", False
        group.starting -= 1
        if not problem:
            group.retry_seconds = FIRST_RETRY_SECONDS
            group.was_ready = True
            self._watch_idle(group, worker)
            self._give_back(group, worker)
            self._warm_up(group)
            return
        if worker in group.workers:
            await worker.kill()
            group.workers.discard(worker)
        if self._closing.is_set():
            return
        if not group.workers:
            self._registry.fail_loading(group.entry, problem)
        self._fail_waiting(group, problem)
        if not permanent or group.was_ready:
            await self._pause(group.retry_seconds)
            group.retry_seconds = min(2 * group.retry_seconds, LAST_RETRY_SECONDS)
            if not group.workers and not group.starting:
                self._start_worker(group)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not beyond the closing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _fail_waiting(self, group: PluginWorkers, problem: str) -> None:
        while group.waiting:
            waiting = group.waiting.popleft()
            if not waiting.done():
                waiting.set_exception(unavailable_error(group.entry, problem))

    def _warm_up(self, group: PluginWorkers) -> None:
        description = group.entry.description
        wanted = min(description.concurrency, self._limit) if description else 1
        if len(group.workers) + group.starting < wanted:
            self._start_worker(group)

    def _watch_idle(self, group: PluginWorkers, worker: WorkerProcess) -> None:
        """Forget a worker that ends while nobody uses it, and start another."""

        def ended(_: object) -> None:
            if worker in group.idle and not self._closing.is_set():
                group.idle.remove(worker)
                logger.warning("worker %d of %s ended while idle", worker.pid, group.entry.name)
                self._supervise(self._replace(group, worker), "replacement of a worker")

        worker.lost.add_done_callback(ended)

    async def _retire_idle(self) -> None:
        """End workers that nobody has used for a while, all but one a plugin."""
        while not self._closing.is_set():
            await asyncio.sleep(IDLE_SECONDS / 10)
            limit = time.monotonic() - IDLE_SECONDS
            for group in self._plugins.values():
                for worker in [worker for worker in group.idle if worker.idle_since < limit]:
                    if len(group.workers) > 1:
                        group.idle.remove(worker)
                        group.workers.discard(worker)
                        await worker.kill()


def ignore_progress(job_id: str, fraction: float, message: str) -> None:
    """Nobody wants to know."""


def accept_loaded(plugin: str, loaded: Mapping[str, str]) -> str:
    """Nobody compares."""
    return ""


def worker_environment() -> dict[str, str]:
    """The environment of workers: this process's, unbuffered."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def run_message(job: Job) -> dict[str, Any]:
    """The header of a run's message."""
    meta = {
        "type": "run",
        "job_id": job.id,
        "attempt": job.attempt,
        "mime_type": job.mime_type,
        "options": job.options,
    }
    if job.image.data is None:
        meta["path"] = str(job.image.path)
    return meta
