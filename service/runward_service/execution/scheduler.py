"""Scheduler: who runs when. A slot is taken before a job is claimed, or, where runs are short, comes a moment later, so
that a RUNNING job always runs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.execution.claimer import Claimer
from runward_service.execution.running_jobs import COMPANY
from runward_service.runtime.run_errors import unavailable_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from runward_service.domain.caller import Caller
    from runward_service.domain.job import Job
    from runward_service.execution.claimer import Claim
    from runward_service.execution.plugin_queue import PluginQueue
    from runward_service.execution.queue_bounds import QueueBounds
    from runward_service.execution.running_job import RunningJob
    from runward_service.execution.running_jobs import RunningJobs
    from runward_service.execution.slot import Place, Slot
    from runward_service.execution.slots import Slots
    from runward_service.plugins.registry import PluginEntry, PluginRegistry
    from runward_service.runtime.run_control import RunControl

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


class Scheduler:
    """Gives the slots of this process to callers that wait and to stored jobs, which it claims for them."""

    def __init__(
        self, registry: PluginRegistry, slots: Slots, running: RunningJobs, calls: QueueBounds, jobs: QueueBounds
    ) -> None:
        """Run stored jobs among the ``running`` ones. Of callers that wait for slots there are never more than
        ``calls`` admits; ``jobs`` hears of the stored jobs that are claimed.
        """
        self._registry = registry
        self._slots = slots
        self._running = running
        self._calls = calls
        self._jobs = jobs
        self._claimer: Claimer
        self._execute: Callable[[Job, RunControl, Slot | None], Awaitable[Job]]
        self._stopping = False
        slots.on_freed = self._freed
        self.on_given_back: Callable[[], None] = lambda: None
        """Hears whenever claimed jobs were given back."""

    def start(
        self,
        claim: Claim,
        give_back: Callable[[Sequence[Job]], Awaitable[object]],
        execute: Callable[[Job, RunControl, Slot | None], Awaitable[Job]],
        supervise: Callable[[Awaitable[None], str], object],
    ) -> None:
        """Begin: ``claim`` takes stored jobs, ``give_back`` lets others have those that have not begun, ``execute``
        runs one to its end.
        """
        self._execute = execute
        self._claimer = Claimer(claim, give_back, self._run_claimed, self._claims_changed, supervise)
        self._registry.listen(self._plugin_changed)

    def _plugin_changed(self, entry: PluginEntry) -> None:
        queue = self._slots.queues.get(entry.name)
        usable = self._slots.usable(entry.name) is not None
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

    def stop(self, job_id: str, error: GovernedError) -> RunningJob | None:
        """Stop a job that runs here, or was claimed to run here; None where there is none."""
        for queue in self._slots.queues.values():
            if len(queue.held) and (job := queue.held.take(job_id)) is not None:
                self._run_claimed(job, None)
        return self._running.stop(job_id, error)

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
        queue = self._slots.queue(plugin)
        return self._slots.take(plugin, queue) if not queue.callers and self._slots.free(plugin, queue) > 0 else None

    async def _wait(self, plugin: str, caller: Caller, control: RunControl) -> Slot:
        queue = self._slots.queue(plugin)
        future: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
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
        queue = self._slots.queue(plugin)
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
        queue = self._slots.queue(plugin)
        if claims_before is not None and queue.claims > claims_before:
            return  # that claim comes after the job
        queue.stored = True
        queue.signals += 1
        self._dispatch(plugin)

    @property
    def backlogged(self) -> bool:
        """Whether stored jobs may wait for which there is no slot here."""
        queues = self._slots.queues.items()
        return any(queue.stored and (self._stopping or self._slots.free(name, queue) <= 0) for name, queue in queues)

    def _freed(self, plugin: str) -> None:
        queue = self._slots.put_back(plugin)
        for name, other in list(self._slots.queues.items()):
            if other.callers or other.stored or len(other.held):
                self._dispatch(name)
        self._claim_ahead(plugin, queue)

    def lend(self, plugin: str) -> None:
        """A job gives its slot back for a while."""
        self._slots.queue(plugin).lent += 1

    def end_lending(self, plugin: str) -> None:
        """A job that gave its slot back for a while has ended, or is about to wait for another."""
        self._slots.queue(plugin).lent -= 1
        self._dispatch(plugin)

    def _dispatch(self, plugin: str) -> None:
        """Give free slots out: to callers and to stored jobs in turns, where both wait."""
        queue = self._slots.queue(plugin)
        while (free := self._slots.free(plugin, queue)) > 0:
            claimable = self._claimable(queue)
            if queue.callers and (queue.callers_first or not (claimable or queue.held.ready)):
                future = queue.callers.popleft()
                if not future.done():
                    future.set_result(self._slots.take(plugin, queue))
                    queue.callers_first = False
            elif queue.held.ready:
                queue.callers_first = True
                queue.starts += 1
                self._run_claimed(queue.held.next(), self._slots.take(plugin, queue))
            elif claimable:
                queue.callers_first = True
                count = 1 if queue.callers else free
                if ahead := self._ahead(plugin, queue):
                    self._claimer.claim(plugin, queue, [], count + ahead, count)
                else:
                    slots = [self._slots.take(plugin, queue) for _ in range(count)]
                    self._claimer.claim(plugin, queue, slots, count, count)
            else:
                return

    def _claimable(self, queue: PluginQueue) -> bool:
        waits = queue.stored or len(queue.held) > queue.held.ready
        return waits and not queue.claiming and not self._stopping and queue.lent < MOST_LENT

    def _ahead(self, plugin: str, queue: PluginQueue) -> int:
        """How many jobs a claim may take beyond the free slots."""
        count, image_bytes = self._jobs.waiting(plugin)
        ahead = 2 * self._slots.runs_ahead(plugin, queue)
        return min(ahead, CLAIMED_AHEAD, HELD_BYTES * count // max(image_bytes, 1))

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
            self._claimer.give_back(plugin, self._slots.queue(plugin))

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
        self._running.run_claimed(job, work)

    async def drain(self, grace_seconds: float) -> None:
        """Claim nothing more and wait for what runs, for a while at most."""
        self._stopping = True
        for name, queue in list(self._slots.queues.items()):
            self._claimer.give_back(name, queue)
        loop = asyncio.get_running_loop()
        end = loop.time() + grace_seconds
        while (self._running.jobs or self._calls.count) and (left := end - loop.time()) > 0:
            if tasks := [running.task for running in self._running.jobs.values()]:
                await asyncio.wait(tasks, timeout=left)
            else:  # a caller that came before is about to begin its job
                await asyncio.sleep(min(left, ENTERING_SECONDS))


def cancelled_error(message: str = "The job was cancelled.") -> GovernedError:
    """The end of a job that was cancelled."""
    return GovernedError(ErrorReason.CANCELLED, message)
