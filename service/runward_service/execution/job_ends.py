"""JobEnds: what jobs that ran come to, on its way to the store."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobMode, JobStatus
from runward_service.store.images import is_large
from runward_service.store.job_artifacts import ArtifactGone, ArtifactRemoved

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runward_service.domain.job import Job
    from runward_service.domain.outcome import Outcome
    from runward_service.execution.job_intake import JobIntake
    from runward_service.execution.plugin_execution_service import PluginExecutionService
    from runward_service.store.job_reader import SqliteJobReader
    from runward_service.store.job_store import SqliteJobStore

FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 5.0
logger = logging.getLogger(__name__)


class JobEnds:
    """Stores the ends of jobs that ran here, at once or as soon as the store takes them."""

    def __init__(  # noqa: PLR0917 - built once, in bootstrap
        self,
        plugins: PluginExecutionService,
        store: SqliteJobStore,
        reader: SqliteJobReader,
        intake: JobIntake,
        others_follow: Callable[[Job], bool],
        supervise: Callable[[Awaitable[None], str], object],
    ) -> None:
        """Write and read the given stores. ``others_follow`` tells whether the store will soon be written for other
        jobs, so that a job's end may wait for that; ``supervise`` runs what goes on after a call has ended.
        """
        self._plugins = plugins
        self._store = store
        self._reader = reader
        self._intake = intake
        self._others_follow = others_follow
        self._supervise = supervise

    async def store(self, job: Job, outcome: Outcome) -> int:
        """Store an end; the revision, 0 where the job is not this process's any more.

        The large artifacts of its run are put in files before, so that the commit may name them; again where those were
        removed with an earlier job in between. Raises GovernedError STORE_UNAVAILABLE, ArtifactGone.
        """
        while True:
            for artifact in outcome.artifacts:
                if artifact.data is not None and is_large(artifact.data):
                    await self._intake.put(artifact.data)
            with suppress(ArtifactRemoved):
                revision = await self._store.finish_job(job, outcome, deferred=self._others_follow(job))
                if not revision and await self._start_lost(job):
                    self._store.defer_start(job.id, job.start_time_us)
                    revision = await self._store.finish_job(job, outcome)
                return revision

    async def _start_lost(self, job: Job) -> bool:
        """Whether the store failed to take the start of a SYNC job, which nobody waited for."""
        if job.mode is not JobMode.SYNC:
            return False
        with suppress(GovernedError):  # nor has it the job itself
            stored = await self._reader.get_job(job.id, None)
            return stored.status is JobStatus.PENDING and stored.owner == job.owner
        return False

    def store_later(self, job: Job, outcome: Outcome) -> None:
        """Try to store an end until the store takes it, so that no job stays RUNNING after its run."""
        self._supervise(self._store_later(job, outcome), "storing the end of a job")

    async def _store_later(self, job: Job, outcome: Outcome) -> None:
        delay = FIRST_RETRY_SECONDS
        while not self._store.closed:
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)
            try:
                revision = await self.store(job, outcome)
            except GovernedError:
                continue
            except ArtifactGone:
                outcome = self._plugins.end_without_run(job, unstored_end(job))
                continue
            stored = "its end is stored now" if revision else "it is not this process's any more, its end is not stored"
            logger.warning("job %s: %s", job.id, stored)
            return


def unstored_end(job: Job) -> GovernedError:
    """The error of a job that ran and whose end the store did not take. Not the store's own, which asks to call again:
    that would run the plugin once more.
    """
    logger.error("job %s ran, but its end could not be stored", job.id)
    message = "The job ran, but its end could not be stored. Its operator finds the cause by the job's id."
    return GovernedError(ErrorReason.INTERNAL, message, {"job_id": job.id}, plugin=job.plugin)
