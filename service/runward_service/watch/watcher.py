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
        check_cursor(after_revision, await self._reader.last_revision())
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


def check_cursor(after_revision: int, last_revision: int) -> None:
    """Raises GovernedError REVISION_AHEAD for a cursor beyond the log's end."""
    if after_revision > last_revision:
        message = (
            f"Revision {after_revision} is ahead of the log, which ends at {last_revision}. "
            "Get the job or list the jobs, then watch from there."
        )
        raise GovernedError(ErrorReason.REVISION_AHEAD, message, {"last_revision": last_revision})


def job_at(job: Job, event: JobEvent) -> Job:
    """The job, read after an event, as it was at that event."""
    if event.status.terminal:
        return job
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
