"""Watching many jobs: the log from a revision on, then what comes."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from runward_service.watch.cursor import check_compaction, check_cursor, draining_error
from runward_service.watch.shared_pages import SharedPages
from runward_service.watch.update import Bookmark

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from runward_service.store.job_reader import JobQuery
    from runward_service.store.log_entry import LogEntry
    from runward_service.store.protocols import EventLog
    from runward_service.watch.feeds import QueryFeed
    from runward_service.watch.log_tail import LogTail
    from runward_service.watch.update import Update

FROM_NOW = -1
BATCH = 64
"""How many changes a watcher takes at once; that is all that waits for a slow one."""


class LogWatcher:
    """Gives watchers of many jobs what comes after their cursors. A cursor is all the state that a watch has."""

    def __init__(self, reader: EventLog, tail: LogTail) -> None:
        """Read the log's end from the tail, what lies before it from the store."""
        self._reader = reader
        self._tail = tail
        self._pages = SharedPages(reader)

    async def watch_jobs(self, query: JobQuery, after_revision: int) -> AsyncGenerator[Update | Bookmark, None]:
        """Every change that fits a query after a revision (0: that is still in the log; FROM_NOW: only what comes), in
        order, each the job as it was then, without its result. A bookmark when all that was there has been sent, and
        now and then when the log goes on without a change for this watch. Ends only with an error.

        Raises GovernedError REVISION_AHEAD, REVISION_COMPACTED, also when the log is compacted past a watch that is
        behind, or DRAINING when the server stops.
        """
        tail = self._tail
        try:
            with tail.follower():
                await tail.begin()
                await tail.catch_up()
                cursor, floor = await self._begin(after_revision)
                async with aclosing(self._updates(query, cursor, floor)) as updates:
                    async for update in updates:
                        yield update
        finally:
            if not tail.followers:
                self._pages.forget()

    async def _updates(self, query: JobQuery, cursor: int, floor: int) -> AsyncGenerator[Update | Bookmark, None]:
        tail = self._tail
        with tail.query_feed(query) as (feed, changed):
            told: int | None = None  # no bookmark yet; then, from where the client can resume
            while True:
                changed.clear()
                closed = tail.closed
                entries, cursor = await self._next(feed, cursor, floor)
                for entry in entries:
                    yield entry
                if entries and told is not None:
                    told = entries[-1].revision
                if entries or cursor < tail.revision:
                    continue
                if closed:
                    raise draining_error()
                due, changed.bookmark_due = changed.bookmark_due, False
                if told is None or (due and told < cursor):
                    told = cursor
                    yield Bookmark(cursor)
                await changed.wait()

    async def _begin(self, after_revision: int) -> tuple[int, int]:
        """Where a watch starts, and the floor up to which it takes what compaction left: each job's last change."""
        if after_revision == FROM_NOW:
            return self._tail.revision, 0
        await check_cursor(self._reader, after_revision, self._tail.revision)
        floor = await self._reader.log_floor()
        if after_revision > 0:
            check_compaction(after_revision, floor)
        return after_revision, floor

    async def _next(self, feed: QueryFeed, cursor: int, floor: int) -> tuple[Sequence[LogEntry], int]:
        tail = self._tail
        if cursor >= feed.start:
            return tail.after(feed, cursor, BATCH)
        page = await self._pages.after(feed.query, cursor, tail.revision)
        if page.floor > floor:  # it has risen since the watch began
            check_compaction(cursor, page.floor)
        return page.entries, page.upto
