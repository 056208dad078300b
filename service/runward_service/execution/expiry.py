"""Expiry: ends pending jobs whose queue_timeout has passed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.domain.errors import ErrorReason, GovernedError

if TYPE_CHECKING:
    from runward_service.execution.job_execution_service import JobExecutionService
    from runward_service.store.job_reader import SqliteJobReader

BATCH = 200
STORE_PAUSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Expiry:
    """Sleeps until the next queue deadline, then ends the jobs that waited too long."""

    def __init__(self, jobs: JobExecutionService, reader: SqliteJobReader) -> None:
        """End jobs through the job service."""
        self._jobs = jobs
        self._reader = reader
        self._next_us = 0
        self._sooner = asyncio.Event()

    def watch_for(self, deadline_us: int) -> None:
        """A job with this queue deadline (microseconds since 1970; 0 for none) was stored."""
        if deadline_us and (not self._next_us or deadline_us < self._next_us):
            self._next_us = deadline_us
            self._sooner.set()

    def look_again(self) -> None:
        """Jobs may have been stored of which this process was not told."""
        self._sooner.set()

    async def run(self) -> None:
        """Expire jobs until cancelled."""
        while True:
            self._sooner.clear()
            # None while it is read: a deadline that comes meanwhile may not be in the answer, and wakes this again.
            self._next_us = 0
            self._next_us = await self._reader.next_queue_deadline()
            await self._sleep_until(self._next_us)
            try:
                await self.expire(now_us())
            except GovernedError:
                logger.exception("jobs that waited too long cannot be ended now")
                await asyncio.sleep(STORE_PAUSE_SECONDS)

    async def expire(self, now: int) -> None:
        """End every pending job whose deadline is not after ``now`` (microseconds since 1970)."""
        while job_ids := await self._reader.expired_jobs(now, BATCH):
            jobs = [await self._jobs.get_job(job_id, None) for job_id in job_ids]
            error = GovernedError(ErrorReason.QUEUE_TIMEOUT, "The job waited longer than its queue_timeout.")
            await asyncio.gather(*(self._jobs.end_unrun_job(job, error) for job in jobs))

    async def _sleep_until(self, deadline_us: int) -> None:
        delay = max((deadline_us - now_us()) / 1e6, 0) if deadline_us else None
        try:
            async with asyncio.timeout(delay):
                await self._sooner.wait()
        except TimeoutError:
            return
