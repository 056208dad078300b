"""The worker processes of all plugins: started in the background, handed out one run at a time, replaced when
they end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.plugin_description import PluginDescription
from runward_service.runtime.plugin_output import PluginOutput
from runward_service.runtime.worker_process import WorkerEnd, WorkerEnded, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from runward_service.domain.job import Job
    from runward_service.plugins.loader import PluginSource
    from runward_service.plugins.registry import PluginEntry, PluginRegistry
    from runward_service.runtime.run_control import RunControl

STARTUP_SECONDS = 120.0
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
    retry_seconds: float = FIRST_RETRY_SECONDS


class LocalWorkerPool:
    """Worker processes on this machine."""

    def __init__(
        self,
        registry: PluginRegistry,
        limit: int,
        supervise: Callable[[Awaitable[None], str], object],
    ) -> None:
        """Run at most ``limit`` at once (the scheduler keeps to it); ``supervise`` runs a coroutine whose failure stops
        the server.
        """
        self._registry = registry
        self._limit = limit
        self._supervise = supervise
        self.on_progress: Callable[[str, float, str], None] = ignore_progress
        """Takes a job id, a fraction and a message."""
        self._plugins: dict[int, PluginWorkers] = {}
        self._closing = False

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
        self._closing = True
        groups = list(self._plugins.values())
        while workers := [worker for group in groups for worker in group.workers]:
            await asyncio.gather(*(worker.kill() for worker in workers))
            for group in groups:
                group.workers -= {worker for worker in workers if worker.exited.done()}
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
        if not self._closing and not group.idle and not group.starting:
            self._start_worker(group)

    def _start_worker(self, group: PluginWorkers) -> None:
        if not self._closing:
            group.starting += 1
            self._supervise(self._bring_up(group), f"start of a worker of {group.entry.name}")

    async def _bring_up(self, group: PluginWorkers) -> None:
        """Start one worker and see it ready, or make the plugin UNAVAILABLE and try again later where that may help."""
        startup = WorkerStartup(self._registry, group.entry, self.on_progress)
        worker = WorkerProcess(group.entry.source.target, startup.received, group.output)
        try:
            await worker.start(worker_environment())
            group.workers.add(worker)
            problem, permanent = await startup.wait(worker)
        except OSError as error:
            problem, permanent = f"a worker cannot be started: {error}", False
        group.starting -= 1
        if not problem:
            group.retry_seconds = FIRST_RETRY_SECONDS
            self._watch_idle(group, worker)
            self._give_back(group, worker)
            self._warm_up(group)
            return
        if worker in group.workers:
            await worker.kill()
            group.workers.discard(worker)
        if self._closing:
            return
        if not group.workers:
            self._registry.fail_loading(group.entry, problem)
        self._fail_waiting(group, problem)
        if not permanent:
            await asyncio.sleep(group.retry_seconds)
            group.retry_seconds = min(2 * group.retry_seconds, LAST_RETRY_SECONDS)
            if not group.workers and not group.starting:
                self._start_worker(group)

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
            if worker in group.idle and not self._closing:
                group.idle.remove(worker)
                logger.warning("worker %d of %s ended while idle", worker.pid, group.entry.name)
                self._supervise(self._replace(group, worker), "replacement of a worker")

        worker.lost.add_done_callback(ended)

    async def _retire_idle(self) -> None:
        """End workers that nobody has used for a while, all but one a plugin."""
        while not self._closing:
            await asyncio.sleep(IDLE_SECONDS / 10)
            limit = time.monotonic() - IDLE_SECONDS
            for group in self._plugins.values():
                for worker in [worker for worker in group.idle if worker.idle_since < limit]:
                    if len(group.workers) > 1:
                        group.idle.remove(worker)
                        group.workers.discard(worker)
                        await worker.kill()


class WorkerStartup:
    """What a worker says while it comes up; afterwards, its progress."""

    def __init__(
        self, registry: PluginRegistry, entry: PluginEntry, on_progress: Callable[[str, float, str], None]
    ) -> None:
        """Tell the registry what the worker says of its plugin."""
        self._registry = registry
        self._entry = entry
        self._on_progress = on_progress
        self._ended: asyncio.Future[tuple[str, bool]] = asyncio.get_running_loop().create_future()

    async def wait(self, worker: WorkerProcess) -> tuple[str, bool]:
        """Wait until the worker is ready ("", False) or is of no use: why, and whether trying again is in vain."""
        either: list[asyncio.Future[Any]] = [self._ended, worker.lost]
        done, _ = await asyncio.wait(either, timeout=STARTUP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            return self._ended.result()
        if done:
            end = await worker.end()
            return f"a worker ended while it started ({describe_end(end)})", False
        return f"a worker was not ready within {STARTUP_SECONDS:.0f} s", False

    def received(self, worker: WorkerProcess, meta: dict[str, Any]) -> None:
        """Take one message."""
        kind = meta.get("type")
        if kind == "progress":
            self._on_progress(
                str(meta.get("job_id", "")), float(meta.get("fraction", 0.0)), str(meta.get("message", ""))
            )
        elif kind == "described":
            fields = dict(meta["description"])
            fields["mime_types"] = tuple(fields["mime_types"])
            self._registry.describe(self._entry, PluginDescription(**fields))
            if meta.get("absent"):
                # Before anyone who waits for the description goes on.
                self._registry.fail_loading(self._entry, str(meta["absent"]))
                self._end(str(meta["absent"]), permanent=True)
            elif self._entry.load_error and self._entry.description is None:
                self._end(self._entry.load_error, permanent=True)
        elif kind == "unavailable":
            logger.error("plugin %s: %s", self._entry.name, meta.get("traceback", ""))
            self._end(str(meta.get("message", ""))[:1000], permanent=True)
        elif kind == "ready":
            self._registry.finish_setup(self._entry)
            self._end("", permanent=False)
        else:
            logger.error("worker %d sent an unknown message", worker.pid)

    def _end(self, problem: str, *, permanent: bool) -> None:
        if not self._ended.done():
            self._ended.set_result((problem, permanent))


def ignore_progress(job_id: str, fraction: float, message: str) -> None:
    """Nobody wants to know."""


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


def time_out(job: Job, control: RunControl) -> None:
    """End a run that takes too long."""
    seconds = job.timeout_us / 1e6
    message = f"The run took longer than {seconds:g} s and was ended."
    control.stop(GovernedError(ErrorReason.TIMEOUT, message, {"timeout_seconds": seconds}))


def describe_end(end: WorkerEnd) -> str:
    """How a worker ended, in words."""
    if end.cause == "memory":
        return f"over its memory limit, {end.peak_bytes} bytes"
    if end.exit_code < 0:
        return f"signal {-end.exit_code}"
    return f"exit code {end.exit_code}" if end.cause == "exited" else "it closed its connection"


def lost_error(end: WorkerEnd, entry: PluginEntry) -> GovernedError:
    """The end of a run whose worker ended: over its memory, or lost."""
    if end.cause == "memory" and entry.description is not None:
        return memory_error(entry.description.memory_bytes)
    message = f"The worker process was lost during the run ({describe_end(end)})."
    return GovernedError(ErrorReason.WORKER_LOST, message, {"exit_code": end.exit_code})


def memory_error(limit_bytes: int) -> GovernedError:
    """The end of a run that used too much memory."""
    message = f"The run used more than {limit_bytes} bytes of memory and was ended."
    return GovernedError(ErrorReason.MEMORY_LIMIT, message, {"limit_bytes": limit_bytes})


def unavailable_error(entry: PluginEntry, problem: str) -> GovernedError:
    """A plugin that takes no work."""
    message = f"The plugin {entry.name} is unavailable: {problem}"
    return GovernedError(ErrorReason.PLUGIN_UNAVAILABLE, message, {"state_reason": problem}, plugin=entry.name)


def failure_error(meta: dict[str, Any], entry: PluginEntry) -> GovernedError:
    """What a worker reports of a run that raised or returned what the rules refuse."""
    try:
        reason = ErrorReason(meta["reason"])
    except (KeyError, ValueError):
        reason = ErrorReason.PLUGIN_RAISED
    internal = str(meta.get("traceback", ""))
    if reason is ErrorReason.MEMORY_LIMIT and entry.description is not None:
        error = memory_error(entry.description.memory_bytes)
        error.internal = internal
        return error
    details = meta.get("details")
    message = str(meta.get("message") or "The plugin failed. Its operator finds the cause by the job's id.")
    return GovernedError(reason, message, details if isinstance(details, dict) else {}, internal=internal)
