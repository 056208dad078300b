"""Watching one job: its log from a revision on, then what comes, to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runward_service.domain.job import Job
    from runward_service.store.job_reader import JobEvent, SqliteJobReader
    from runward_service.watch.change_signal import ChangeSignal

PAGE = 256


class Watcher:
    """Reads the log for watchers. A cursor is all the state that a watch has, so any process can go on with it."""

    def __init__(self, reader: SqliteJobReader, signal: ChangeSignal) -> None:
        """Read the log and be woken by the signal."""
        self._reader = reader
        self._signal = signal

    async def watch_job(self, job_id: str, tenant: str, after_revision: int) -> AsyncIterator[Job]:
        """The job as at each of its revisions after one, in order, until it has ended; only the last holds the result.

        Raises GovernedError JOB_NOT_FOUND, REVISION_AHEAD, or DRAINING when the server stops meanwhile.
        """
        job = await self._reader.get_job(job_id, tenant)
        await self._check_cursor(after_revision)
        cursor = after_revision
        with self._signal.watching(job_id) as changed:
            while True:
                changed.clear()
                events = await self._reader.events_of_job(job_id, cursor, PAGE)
                for event in events:
                    cursor = event.revision
                    if event.status.terminal:
                        yield await self._reader.get_job(job_id, tenant)
                        return
                    yield job_at(job, event)
                if len(events) == PAGE:
                    continue
                if not events:
                    job = await self._reader.get_job(job_id, tenant)
                    if job.status.terminal and job.revision <= cursor:
                        return
                    if job.revision > cursor:
                        continue
                if self._signal.closed:
                    raise GovernedError(ErrorReason.DRAINING, "The server is stopping. Resume from the last revision.")
                await changed.wait()

    async def _check_cursor(self, after_revision: int) -> None:
        last = await self._reader.last_revision()
        if after_revision > last:
            message = (
                f"Revision {after_revision} is ahead of the log, which ends at {last}. Get the job, then watch from 0."
            )
            raise GovernedError(ErrorReason.REVISION_AHEAD, message, {"last_revision": last})


def job_at(job: Job, event: JobEvent) -> Job:
    """The job as it was at an event before its end."""
    return job._replace(
        status=event.status,
        attempt=event.attempt,
        revision=event.revision,
        start_time_us=0 if event.status is JobStatus.PENDING else job.start_time_us or event.time_us,
        end_time_us=0,
        progress_fraction=event.progress_fraction,
        progress_message=event.progress_message,
        result=None,
        error=None,
        output_digest="",
    )
