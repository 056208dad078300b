"""A job's turn to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.execution.scheduler import Scheduler
    from runward_service.execution.slot import Slot
    from runward_service.runtime.run_control import RunControl


class Turn:
    """The slot that a job has, has lent while another job's run is to answer for it, or does not need."""

    def __init__(self, scheduler: Scheduler, job: Job, control: RunControl, slot: Slot | None = None) -> None:
        """Begin with a slot of the job's plugin, or without."""
        self._scheduler = scheduler
        self._job = job
        self._control = control
        self._slot = slot
        self._lent = False

    def give(self, slot: Slot) -> None:
        """The job's slot has come."""
        self._slot = slot

    async def take(self) -> None:
        """Wait for a slot, unless it has one. Raises GovernedError: what the job is stopped with meanwhile."""
        if self._slot is None:
            self._returned()
            caller = (self._job.tenant, self._job.principal)
            self._slot = await self._scheduler.next_slot(self._job.plugin, caller, self._control)

    def lend(self) -> None:
        """Let others have the slot for now."""
        if self._slot is not None:
            self._scheduler.lend(self._job.plugin)
            self._lent = True
            self._slot.free()
            self._slot = None

    def free(self) -> None:
        """The job needs no slot any more, unless it takes another; again does nothing."""
        self._returned()
        if self._slot is not None:
            self._slot.free()
            self._slot = None

    def end(self) -> None:
        """The job has ended."""
        self.free()
        self._control.end()

    def _returned(self) -> None:
        if self._lent:
            self._lent = False
            self._scheduler.end_lending(self._job.plugin)
