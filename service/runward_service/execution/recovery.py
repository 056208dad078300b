"""Recovery: what a dead owner left becomes claimable again, or ends. Runs before the port opens, and for each
neighbour that dies later; runs no job itself.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.store.owner_lock import forget, forget_unknown, is_dead
from runward_service.store.owner_wakes import forget_socket

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runward_service.execution.job_execution_service import JobExecutionService
    from runward_service.store.protocols import JobReader, JobStore

logger = logging.getLogger(__name__)


class Recovery:
    """Takes only what an owner left that is proved dead."""

    def __init__(
        self,
        jobs: JobExecutionService,
        store: JobStore,
        reader: JobReader,
        owners: Path,
        look_again: Callable[[], None],
    ) -> None:
        """Prove deaths by the lock files in a folder; ``look_again`` is called where deadlines may have come to light
        that only the dead knew of.
        """
        self._jobs = jobs
        self._store = store
        self._reader = reader
        self._owners = owners
        self._look_again = look_again

    async def recover(self) -> None:
        """Look after every dead owner's jobs, and remove what dead owners left that had none."""
        owners = await self._reader.owners()
        for owner in owners:
            if is_dead(self._owners, owner):
                await self.recover_from(owner)
        forget_unknown(self._owners, owners)

    async def recover_from(self, owner: str) -> None:
        """Look after what an owner left that is proved dead. Several processes may do so at once: each job is taken by
        one of them.
        """
        released = await self._store.release_lost(owner)
        left = [await self._jobs.get_job(job_id, None) for job_id in await self._reader.owned_jobs(owner)]
        ended = await asyncio.gather(
            *(self._jobs.end_unrun_job(job, self._error(job.cancel_requested)) for job in left)
        )
        if released or ended:
            logger.warning("owner %s is dead: %d jobs will run again, %d were ended", owner, released, len(ended))
        await self._store.remove_owner(owner)
        # The lock goes last: it is by their locks that owners are found whose files were not all removed.
        forget_socket(self._owners, owner)
        forget(self._owners, owner)
        self._look_again()

    def _error(self, cancel_requested: bool) -> GovernedError:
        if cancel_requested:
            return GovernedError(ErrorReason.CANCELLED, "The job was cancelled.")
        return GovernedError(
            ErrorReason.INTERRUPTED, "The server was interrupted during the job and no attempt was left."
        )
