"""Attempts: whether a job's attempt is followed by another, and when."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runward_service.domain.errors import GovernedError

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.domain.outcome import Outcome
    from runward_service.execution.plugin_execution_service import PluginExecutionService
    from runward_service.runtime.run_control import RunControl
    from runward_service.store.job_store import SqliteJobStore

BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0
"""The pause before the second attempt doubles with each further one, up to the longest."""
logger = logging.getLogger(__name__)


class Attempts:
    """A job has ``max_attempts``: lost ones, and failed ones that the plugin's retry policy names, are followed."""

    def __init__(self, plugins: PluginExecutionService, store: SqliteJobStore) -> None:
        """Write further attempts to the store, and end through the plugin service what was stopped before one."""
        self._plugins = plugins
        self._store = store

    async def following(self, job: Job, outcome: Outcome, control: RunControl) -> Job | None:
        """The job in its next attempt, after a pause; None where this attempt was the last."""
        if control.error is not None or job.lost_attempts + 1 >= job.max_attempts:
            return None
        reason = outcome.envelope.reason.name if outcome.envelope else ""
        logger.warning("job %s: attempt %d of %d ended %s", job.id, job.attempt, job.max_attempts, reason)
        try:
            if not await self._store.next_attempt(job, outcome):
                return None  # it is no longer this process's, so its end will not be stored either
        except GovernedError:  # the store takes no further attempt, so this one was the last
            logger.exception("job %s: no further attempt can be stored", job.id)
            return None
        await control.pause(min(BACKOFF_SECONDS * 2.0 ** min(job.lost_attempts, 30), LONGEST_BACKOFF_SECONDS))
        return job._replace(attempt=job.attempt + 1, lost_attempts=job.lost_attempts + 1)

    def without_following(self, job: Job, outcome: Outcome, control: RunControl) -> Outcome:
        """What a job comes to with its last attempt: what stopped it, where another attempt was left but for that.

        A worker may be lost just before a cancel reaches its run.
        """
        stop = control.error
        if stop is None or not outcome.repeatable or job.lost_attempts + 1 >= job.max_attempts:
            return outcome
        same = outcome.envelope is not None and outcome.envelope.reason is stop.reason
        return outcome if same else self._plugins.end_without_run(job, stop)
