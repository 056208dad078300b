"""The end of the log, read once for all who watch.

After a commit one task reads what is new and wakes the watchers whom it concerns. They take it from here; whoever is
further behind than this reaches reads the log by its cursor. Nothing is read while nobody watches.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runward_service.watch.bookmarks import BookmarkRounds, Waiter
from runward_service.watch.feeds import JobFeed, QueryFeed, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runward_service.store.job_reader import JobQuery, LogPage
    from runward_service.store.log_entry import LogEntry
    from runward_service.store.protocols import EventLog

PAGE = 512
MOST_ENTRIES = 4096
MOST_BYTES = 8 * 1024 * 1024
"""What is kept of the log's end, by the sizes of the rows' texts. A message that was made of a row is as long again."""
PAUSE_SECONDS = 0.005
"""The least time between two reads: under load several commits share one, and each watcher wakes once for them."""

logger = logging.getLogger(__name__)


class LogTail:
    """The last changes of all jobs, for all watchers of this process."""

    def __init__(self, reader: EventLog) -> None:
        """Read the log."""
        self._reader = reader
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self.followers = 0
        """How many watch."""
        self._following = False
        """Whether the log's end is known; only then is anything read."""
        self._jobs: dict[str, JobFeed] = {}
        self._queries: dict[tuple[object, ...], QueryFeed] = {}
        self._entries: list[LogEntry] = []
        """What the feeds of queries hold together, and a little of what no query fits."""
        self._size = 0
        self.revision = 0
        """The last revision that was read."""
        self._bookmarks = BookmarkRounds()
        self.closed = False

    def changed(self) -> None:
        """A commit changed some job. The task stays asleep while nobody watches: who begins finds the log's end."""
        if self.followers:
            self._wake.set()

    async def close(self) -> None:
        """Hand over what is there and wake everyone for the last time: the server stops."""
        try:
            if self._following:
                await self.catch_up()
        except Exception:
            # A store that cannot be read is what the server may be stopping for; who watches is told all the same.
            logger.exception("the end of the log cannot be read")
        self.closed = True
        for feed in (*self._jobs.values(), *self._queries.values()):
            feed.wake()

    async def run(self) -> None:
        """Read after each commit, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(self._bookmarks.delay(loop.time(), self.revision)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            else:
                self._wake.clear()
                if self._following:
                    await self.catch_up()
            self._bookmarks.tick(loop.time(), self.revision)
            await asyncio.sleep(PAUSE_SECONDS)

    @contextmanager
    def follower(self) -> Iterator[None]:
        """One who watches; ``begin`` comes next."""
        self.followers += 1
        try:
            yield
        finally:
            self.followers -= 1
            if not self.followers:
                self._following = False

    async def begin(self) -> None:
        """Find the log's end, from which on everything is read as long as anybody watches."""
        async with self._lock:
            if not self._following:
                self.revision = await self._reader.last_revision()
                self._following = self.followers > 0
                self._wake.set()  # for what was committed meanwhile

    @contextmanager
    def job_feed(self, job_id: str) -> Iterator[tuple[JobFeed, asyncio.Event]]:
        """The changes of a job from now on, and an event that is set when there are more. For a follower that began.

        Clear the event before looking, then wait: no change is missed.
        """
        event = asyncio.Event()
        feed = self._jobs.setdefault(job_id, JobFeed(self.revision))
        feed.waiting.add(event)
        try:
            yield feed, event
        finally:
            feed.waiting.discard(event)
            if not feed.waiting:
                del self._jobs[job_id]

    @contextmanager
    def query_feed(self, query: JobQuery) -> Iterator[tuple[QueryFeed, Waiter]]:
        """The same for the changes that fit a query, which ``after`` gives."""
        event = Waiter()
        key = key_of(query)
        feed = self._queries.setdefault(key, QueryFeed(query, self.revision))
        feed.waiting.add(event)
        self._bookmarks.add(event)
        try:
            yield feed, event
        finally:
            self._bookmarks.remove(event)
            feed.waiting.discard(event)
            if not feed.waiting:
                del self._queries[key]
            if not self._queries:
                self._entries, self._size = [], 0

    def after(self, feed: QueryFeed, cursor: int, limit: int) -> tuple[Sequence[LogEntry], int]:
        """A feed's changes after a revision that is not before its start, so many at most, and up to which revision
        they are all.
        """
        found = feed.after(cursor, limit)
        return found, found[-1].revision if len(found) == limit else max(cursor, self.revision)

    async def catch_up(self) -> None:
        """Read what has been committed."""
        async with self._lock:
            while self._following:
                page = await self._reader.log_tail(self.revision, PAGE)
                if not page.entries:
                    return
                if self._following:  # there may be nobody any more
                    self._append(page)

    def _append(self, page: LogPage) -> None:
        self.revision = page.upto
        for entry in page.entries:
            if job_feed := self._jobs.get(entry.job_id):
                job_feed.append(entry)
                job_feed.wake()
        for feed in self._queries.values():
            feed.take(page.entries)
        if self._queries:
            self._entries += page.entries
            self._size += sum(entry.size for entry in page.entries)
            self._trim()

    def _trim(self) -> None:
        """Forget the oldest changes, some more than is needed, so that it is not done for each page."""
        if len(self._entries) <= MOST_ENTRIES and self._size <= MOST_BYTES:
            return
        count, size = max(len(self._entries) - MOST_ENTRIES * 3 // 4, 0), self._size
        size -= sum(entry.size for entry in self._entries[:count])
        while size > MOST_BYTES * 3 // 4:
            size -= self._entries[count].size
            count += 1
        start = self._entries[count - 1].revision
        for feed in self._queries.values():
            feed.drop(start)
        del self._entries[:count]
        self._size = size
