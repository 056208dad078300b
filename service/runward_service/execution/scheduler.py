"""Scheduler: who runs when. A slot is taken before a job is claimed, or, where runs are short, comes a moment later, so
that a RUNNING job always runs.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobMode
from runward_service.domain.plugin_state import PluginState
from runward_service.execution.claimer import Claimer
from runward_service.execution.plugin_queue import PluginQueue
from runward_service.execution.running_job import RunningJob
from runward_service.execution.slot import Slot
from runward_service.runtime.run_control import RunControl
from runward_service.runtime.run_errors import unavailable_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from runward_service.domain.caller import Caller
    from runward_service.domain.job import Job
    from runward_service.execution.claimer import Claim
    from runward_service.execution.queue_bounds import QueueBounds
    from runward_service.execution.slot import Place
    from runward_service.plugins.registry import PluginEntry, PluginRegistry

ENTERING_SECONDS = 0.01

MOST_LENT = 64
"""Jobs of a plugin that wait for another's answer without a slot, beyond which no more are claimed, for they are in
memory.
"""
CLAIMED_AHEAD = 32
HELD_BYTES = 8 * 1024 * 1024
"""While a plugin's runs are short and its stored jobs wait, jobs are claimed before there are slots for them: twice as
many as a worker may be sent ahead, at most CLAIMED_AHEAD at a time, with images of about HELD_BYTES. Three times as
many may be held at once, which is what takes some twenty milliseconds, so that no job of a higher priority waits long
behind them. The Claimer gives back those that no slot comes for.
"""
COMPANY = 8
"""With so many stored jobs running here, one's end waits a moment for others to share its commit; with so many waiting,
jobs are claimed with their creation, which a lone caller would have to wait for.
"""

logger = logging.getLogger(__name__)


class Scheduler:
    """The slots of this process, and the tasks of the jobs that it runs."""

    def __init__(self, registry: PluginRegistry, limit: int, calls: QueueBounds, jobs: QueueBounds) -> None:
        """Run at most ``limit`` jobs at once in all. Of callers that wait for slots there are never more than ``calls``
        admits; ``jobs`` hears of the stored jobs that are claimed.
        """
        self._registry = registry
        self._limit = limit
        self._calls = calls
        self._jobs = jobs
        self._running = 0
        self._queues: dict[str, PluginQueue] = {}
        self._loop: asyncio.AbstractEventLoop
        self._runs_ahead: Callable[[PluginEntry], int]
        self._claimer: Claimer
        self._execute: Callable[[Job, RunControl, Slot | None], Awaitable[Job]]
        self._stopping = False
        self.running: dict[str, RunningJob] = {}
        self._claimed = 0
        self.on_given_back: Callable[[], None] = lambda: None
        """Hears whenever claimed jobs were given back."""

    def start(
        self,
        claim: Claim,
        give_back: Callable[[Sequence[Job]], Awaitable[object]],
        execute: Callable[[Job, RunControl, Slot | None], Awaitable[Job]],
        supervise: Callable[[Awaitable[None], str], object],
        runs_ahead: Callable[[PluginEntry], int],
    ) -> None:
        """Begin: ``claim`` takes stored jobs, ``give_back`` lets others have those that have not begun, ``execute``
        runs one to its end.

        ``runs_ahead`` tells how many runs more a busy worker of a plugin may be sent, where runs are so short that it
        would wait for the service between two of them.
        """
        self._loop = asyncio.get_running_loop()
        self._runs_ahead = runs_ahead
        self._execute = execute
        self._claimer = Claimer(claim, give_back, self._run_claimed, self._claims_changed, supervise)
        self._registry.listen(self._plugin_changed)

    def _plugin_changed(self, entry: PluginEntry) -> None:
        queue = self._queues.get(entry.name)
        usable = self._usable(entry.name) is not None
        if queue is None or (usable and queue.usable):
            return
        queue.usable = usable
        if not usable:
            self._claimer.give_back(entry.name, queue)
        if entry.load_error:
            # Callers wait for an answer; stored jobs wait for the plugin.
            for future in queue.callers:
                if not future.done():
                    future.set_exception(unavailable_error(entry, entry.load_error))
        self._dispatch(entry.name)

    def check_open(self) -> None:
        """Raises GovernedError DRAINING when the server stops."""
        if self._stopping:
            raise GovernedError(ErrorReason.DRAINING, "The server is stopping. Try again, elsewhere if you can.")

    def enter(self, place: Place) -> None:
        """A caller comes and will wait for a slot: counted at once, so that a burst finds no more room than there is.
        ``slot`` or ``leave`` ends the wait. Raises GovernedError QUEUE_FULL, or DRAINING when the server stops.
        """
        self.check_open()
        self._calls.enter(place.plugin, place.image_bytes)

    def leave(self, place: Place) -> None:
        """A caller that entered waits no more."""
        self._calls.leave(place.plugin, place.image_bytes, drained=False)

    @property
    def calls(self) -> int:
        """How many jobs are under way here for callers that wait; not those that were claimed from the store."""
        return len(self.running) - self._claimed

    def others_follow(self, job: Job) -> bool:
        """Whether so many stored jobs run here that another's end will soon be written beside this one's."""
        return job.mode is JobMode.ASYNC and self._claimed >= COMPANY

    def stop(self, job_id: str, error: GovernedError) -> RunningJob | None:
        """Stop a job that runs here, or was claimed to run here; None where there is none."""
        for queue in self._queues.values():
            if len(queue.held) and (job := queue.held.take(job_id)) is not None:
                self._run_claimed(job, None)
        running = self.running.get(job_id)
        if running is not None:
            running.control.stop(error)
        return running

    def run(
        self, job: Job, work: Callable[[RunControl], Coroutine[Any, Any, Job]], control: RunControl | None = None
    ) -> RunningJob:
        """Run a job's work in a task of its own, so that the end of the call that began it does not end the job."""
        control = control or RunControl()
        running = RunningJob(control, self._loop.create_task(work(control)))
        self.running[job.id] = running
        running.task.add_done_callback(lambda task: self._ended(job.id, task))
        return running

    def _ended(self, job_id: str, task: asyncio.Task[Job]) -> None:
        running = self.running.pop(job_id)
        for caller in running.callers:
            if not caller.done():
                caller.set_result(None)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, GovernedError):
            logger.error("job %s could not be brought to its end", job_id, exc_info=error)

    async def slot(self, place: Place, control: RunControl) -> Slot:
        """Wait for a slot, for a caller that entered. Raises what ``control`` is stopped with meanwhile."""
        waited = True
        try:
            if (slot := self._free_slot(place.plugin)) is not None:
                waited = False
                return slot
            return await self._wait(place.plugin, place.caller, control)
        except GovernedError:
            waited = False
            raise
        finally:
            self._calls.leave(place.plugin, place.image_bytes, drained=waited)

    async def next_slot(self, plugin: str, caller: Caller, control: RunControl) -> Slot:
        """Wait for a slot, for a job that was accepted before. Raises what ``control`` is stopped with meanwhile."""
        return self._free_slot(plugin) or await self._wait(plugin, caller, control)

    def _free_slot(self, plugin: str) -> Slot | None:
        queue = self._queue(plugin)
        return self._take(plugin, queue) if not queue.callers and self._free(plugin, queue) > 0 else None

    async def _wait(self, plugin: str, caller: Caller, control: RunControl) -> Slot:
        queue = self._queue(plugin)
        future: asyncio.Future[Slot] = self._loop.create_future()
        control.bind(future)
        queue.callers.append(caller, future)
        try:
            return await future
        except GovernedError:
            queue.callers.discard(caller, future)  # not there where its turn came after it had been stopped
            raise

    def job_coming(self, plugin: str) -> int:
        """A claimable job of the plugin was handed to the store: where it comes in COMPANY and may run at once, its
        claim shares its commit. Answers what ``job_stored`` takes.
        """
        queue = self._queue(plugin)
        before = queue.claims
        if not queue.stored and self._jobs.waiting(plugin)[0] >= COMPANY:
            queue.stored = queue.coming = True
            self._dispatch(plugin)
            queue.coming = False
        return before

    def job_stored(self, plugin: str, claims_before: int | None = None) -> None:
        """A claimable job of the plugin was stored, after so many claims had been handed to the store; None where that
        is not known.
        """
        queue = self._queue(plugin)
        if claims_before is not None and queue.claims > claims_before:
            return  # that claim comes after the job
        queue.stored = True
        queue.signals += 1
        self._dispatch(plugin)

    @property
    def backlogged(self) -> bool:
        """Whether stored jobs may wait for which there is no slot here."""
        queues = self._queues.items()
        return any(queue.stored and (self._stopping or self._free(name, queue) <= 0) for name, queue in queues)

    def idle(self, plugin: str) -> bool:
        """Whether nothing of the plugin runs or waits here, and the server has a place to spare."""
        queue = self._queue(plugin)
        return not (queue.taken or queue.callers or queue.stored or len(queue.held)) and self._running < self._limit

    def freed(self, plugin: str) -> None:
        """A slot of the plugin came back."""
        queue = self._queue(plugin)
        queue.taken -= 1
        if queue.taken < queue.running:
            queue.running -= 1
            self._running -= 1
        # The plugins stand in the order in which they last got a slot, so that none waits for ever behind another.
        for name, queue in list(self._queues.items()):
            if queue.callers or queue.stored or len(queue.held):
                self._dispatch(name)
        self._claim_ahead(plugin, self._queue(plugin))

    def lend(self, plugin: str) -> None:
        """A job gives its slot back for a while."""
        self._queue(plugin).lent += 1

    def end_lending(self, plugin: str) -> None:
        """A job that gave its slot back for a while has ended, or is about to wait for another."""
        self._queue(plugin).lent -= 1
        self._dispatch(plugin)

    def _queue(self, plugin: str) -> PluginQueue:
        queue = self._queues.get(plugin)
        if queue is None:
            queue = PluginQueue(usable=self._usable(plugin) is not None)
            self._queues = {plugin: queue, **self._queues}  # it never got a slot, so it comes first
        return queue

    def _free(self, plugin: str, queue: PluginQueue) -> int:
        """How many slots of the plugin are free; none where it cannot run."""
        entry = self._usable(plugin)
        if entry is None:
            return 0
        queue.concurrency = entry.description.concurrency if entry.description else 0
        if (own := self._own_free(queue)) > 0:
            return own
        ahead = queue.running * self._runs_ahead(entry) - (queue.taken - queue.running)
        return ahead if ahead > 0 and not self._others_wait(queue) else 0

    def _usable(self, plugin: str) -> PluginEntry | None:
        try:
            entry = self._registry.get(plugin)
        except GovernedError:
            return None
        # Before its first worker is ready, its jobs wait here, where queue_timeout holds, rather than with a slot.
        not_ready = entry.description is None or entry.at_rest is PluginState.LOADED
        return None if not_ready or entry.state is PluginState.UNAVAILABLE else entry

    def _own_free(self, queue: PluginQueue) -> int:
        return min(queue.concurrency - queue.running, self._limit - self._running)

    def _others_wait(self, queue: PluginQueue) -> bool:
        """Whether another plugin waits for this one's place, which runs sent ahead would keep for ever."""
        if self._running < self._limit:
            return False
        return any(other is not queue and (other.callers or other.stored) for other in self._queues.values())

    def _take(self, plugin: str, queue: PluginQueue) -> Slot:
        """Take one of the free slots that have just been counted."""
        queue.taken += 1
        if self._own_free(queue) > 0:
            queue.running += 1
            self._running += 1
        if next(reversed(self._queues)) != plugin:
            self._queues[plugin] = self._queues.pop(plugin)
        return Slot(plugin, self.freed)

    def _dispatch(self, plugin: str) -> None:
        """Give free slots out: to callers and to stored jobs in turns, where both wait."""
        queue = self._queue(plugin)
        while (free := self._free(plugin, queue)) > 0:
            claimable = self._claimable(queue)
            if queue.callers and (queue.callers_first or not (claimable or queue.held.ready)):
                future = queue.callers.popleft()
                if not future.done():
                    future.set_result(self._take(plugin, queue))
                    queue.callers_first = False
            elif queue.held.ready:
                queue.callers_first = True
                queue.starts += 1
                self._run_claimed(queue.held.next(), self._take(plugin, queue))
            elif claimable:
                queue.callers_first = True
                count = 1 if queue.callers else free
                if ahead := self._ahead(plugin, queue):
                    self._claimer.claim(plugin, queue, [], count + ahead, count)
                else:
                    slots = [self._take(plugin, queue) for _ in range(count)]
                    self._claimer.claim(plugin, queue, slots, count, count)
            else:
                return

    def _claimable(self, queue: PluginQueue) -> bool:
        waits = queue.stored or len(queue.held) > queue.held.ready
        return waits and not queue.claiming and not self._stopping and queue.lent < MOST_LENT

    def _ahead(self, plugin: str, queue: PluginQueue) -> int:
        """How many jobs a claim may take beyond the free slots."""
        entry = self._usable(plugin)
        if entry is None or self._others_wait(queue):
            return 0
        count, image_bytes = self._jobs.waiting(plugin)
        return min(2 * self._runs_ahead(entry), CLAIMED_AHEAD, HELD_BYTES * count // max(image_bytes, 1))

    def _claim_ahead(self, plugin: str, queue: PluginQueue) -> None:
        """Claim jobs in time, so that there will be some when the slots that are out come back."""
        if queue.running and self._claimable(queue):
            ahead = self._ahead(plugin, queue)
            if queue.held.ready < ahead // 2:
                self._claimer.claim(plugin, queue, [], ahead, 0)

    def _claims_changed(self, plugin: str, returned: bool) -> None:
        if returned:
            self.on_given_back()
            self.job_stored(plugin)
            return
        self._dispatch(plugin)
        if self._stopping:
            self._claimer.give_back(plugin, self._queue(plugin))

    def _run_claimed(self, job: Job, slot: Slot | None) -> None:
        async def work(control: RunControl) -> Job:
            try:
                if job.cancel_requested:
                    control.stop(cancelled_error())
                return await self._execute(job, control, slot)
            finally:
                if slot is not None:
                    slot.free()

        self._jobs.leave(job.plugin, job.image.size_bytes, drained=True)
        self._claimed += 1
        self.run(job, work).task.add_done_callback(self._claimed_ended)

    def _claimed_ended(self, _task: object) -> None:
        self._claimed -= 1

    async def drain(self, grace_seconds: float) -> None:
        """Claim nothing more and wait for what runs, for a while at most."""
        self._stopping = True
        for name, queue in list(self._queues.items()):
            self._claimer.give_back(name, queue)
        loop = asyncio.get_running_loop()
        end = loop.time() + grace_seconds
        while (self.running or self._calls.count) and (left := end - loop.time()) > 0:
            if tasks := [running.task for running in self.running.values()]:
                await asyncio.wait(tasks, timeout=left)
            else:  # a caller that came before is about to begin its job
                await asyncio.sleep(min(left, ENTERING_SECONDS))

    async def interrupt(self) -> None:
        """End what still runs with INTERRUPTED, and wait for that to be stored."""
        tasks = []
        for running in list(self.running.values()):
            running.control.stop(GovernedError(ErrorReason.INTERRUPTED, "The server stopped during the run."))
            tasks.append(running.task)
        if tasks:
            await asyncio.wait(tasks)


def cancelled_error(message: str = "The job was cancelled.") -> GovernedError:
    """The end of a job that was cancelled."""
    return GovernedError(ErrorReason.CANCELLED, message)
