"""Watching one job: its log from a revision on, then what comes, to the end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from runward_service.watch.cursor import check_compaction, check_cursor, draining_error
from runward_service.watch.update import JobState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from runward_service.domain.job import Job
    from runward_service.store.log_entry import LogEntry
    from runward_service.store.protocols import EventLog
    from runward_service.watch.log_tail import LogTail
    from runward_service.watch.update import Update

PAGE = 256
LOOK_SECONDS = 60.0
"""After so long without a change, a watch looks whether its job is still there."""


class Watcher:
    """Gives watchers of one job what comes after their cursors. A cursor is all the state that a watch has, so any
    process can go on with it.
    """

    def __init__(self, reader: EventLog, tail: LogTail) -> None:
        """Read what is in the log from the store, what comes from the tail."""
        self._reader = reader
        self._tail = tail

    async def watch_job(self, job_id: str, tenant: str, after_revision: int) -> AsyncGenerator[Update, None]:
        """The job as at each of its revisions after one, in order, until it has ended; only the last holds the result.
        From 0, what is still in the log, at least the job's state as it is now.

        Raises GovernedError JOB_NOT_FOUND, REVISION_AHEAD, REVISION_COMPACTED (never from 0), or DRAINING when the
        server stops meanwhile.
        """
        job = await self._reader.get_job(job_id, tenant)
        await check_cursor(self._reader, after_revision, job.revision)
        updates = self._ended(job, after_revision) if job.status.terminal else self._follow(job, after_revision)
        async with aclosing(updates):
            async for update in updates:
                yield update

    async def _ended(self, job: Job, after_revision: int) -> AsyncGenerator[Update, None]:
        cursor = after_revision
        while cursor < job.revision:
            page = await self._reader.job_log_page(job.id, cursor, PAGE)
            if after_revision > 0:
                check_compaction(cursor, page.floor)
            for entry in page.entries:
                if not entry.status.terminal:
                    yield entry
            cursor = page.upto
            if not page.entries or page.entries[-1].status.terminal:
                yield JobState(job)
                return

    async def _follow(self, job: Job, after_revision: int) -> AsyncGenerator[Update, None]:
        with self._tail.follower():
            await self._tail.begin()
            with self._tail.job_feed(job.id) as (feed, changed):
                cursor = after_revision
                while True:
                    changed.clear()
                    closed = self._tail.closed
                    if cursor < feed.start:
                        updates, cursor = await self._stored(job.id, cursor, feed.start, resumed=after_revision > 0)
                    else:
                        updates, cursor = feed.after(cursor)
                    for update in updates:
                        if update.status.terminal:
                            yield await feed.end(lambda: self._reader.get_job(job.id, None))
                            return
                        yield update
                    if not updates and cursor >= feed.start:
                        if closed:
                            raise draining_error()
                        await self._wait(changed, job.id)

    async def _wait(self, changed: asyncio.Event, job_id: str) -> None:
        """Wait for the job's next change. Raises GovernedError JOB_NOT_FOUND where the job is deleted: one that is
        deleted right after its end may be gone before its end was read.
        """
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await changed.wait()
        except TimeoutError:
            await self._reader.get_job(job_id, None)

    async def _stored(
        self, job_id: str, cursor: int, start: int, *, resumed: bool
    ) -> tuple[Sequence[LogEntry | JobState], int]:
        """What the store has after a cursor, up to ``start`` at least, and up to which revision that is all."""
        page = await self._reader.job_log_page(job_id, cursor, PAGE)
        if page.entries:
            if resumed:
                check_compaction(cursor, page.floor)
            return page.entries, page.upto
        # The log keeps a job's last change; where not even that is there, the job itself tells.
        job = await self._reader.get_job(job_id, None)
        if not cursor < job.revision <= start:
            return (), start
        if resumed:
            check_compaction(cursor, page.floor)
        return (JobState(job),), job.revision
