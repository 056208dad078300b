"""What several watchers want alike: the changes of one job, or those that fit one query."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from runward_service.watch.update import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from runward_service.domain.job import Job
    from runward_service.store.job_reader import JobQuery
    from runward_service.store.log_entry import LogEntry

JOB_ENTRIES = 256
JOB_BYTES = 512 * 1024
"""How many changes of a job are kept for those who watch it, and how large they may be, by the sizes of the rows'
texts; whoever is further behind reads the log.
"""


class Feed:
    """Watchers that are woken together."""

    def __init__(self) -> None:
        """Start with none."""
        self.waiting: set[asyncio.Event] = set()

    def wake(self) -> None:
        """Wake all."""
        for event in self.waiting:
            event.set()


class JobFeed(Feed):
    """One job's changes since somebody watches it."""

    def __init__(self, start: int) -> None:
        """Hold every change of the job after revision ``start``."""
        super().__init__()
        self.start = start
        self._entries: list[LogEntry] = []
        self._size = 0
        self._end: asyncio.Task[JobState] | None = None

    def append(self, entry: LogEntry) -> None:
        """Add the job's next change."""
        self._entries.append(entry)
        self._size += entry.size
        while len(self._entries) > 1 and (len(self._entries) > JOB_ENTRIES or self._size > JOB_BYTES):
            oldest = self._entries.pop(0)
            self.start = oldest.revision
            self._size -= oldest.size

    def after(self, cursor: int) -> tuple[Sequence[LogEntry], int]:
        """The changes after a revision that is not before ``start``, and the revision of the last."""
        found = [entry for entry in self._entries if entry.revision > cursor]
        return found, found[-1].revision if found else cursor

    async def end(self, read: Callable[[], Coroutine[None, None, Job]]) -> JobState:
        """The job with its result, once it has ended: read and encoded once for all who watch."""
        if self._end is None or (self._end.done() and (self._end.cancelled() or self._end.exception())):
            self._end = asyncio.ensure_future(_state(read()))
            self._end.add_done_callback(looked_at)
        return await asyncio.shield(self._end)


def looked_at(read: asyncio.Task[Any]) -> None:
    """Let a shared read's failure go where everyone who waited for it has gone."""
    if not read.cancelled():
        read.exception()


async def _state(read: Coroutine[None, None, Job]) -> JobState:
    return JobState(await read)


class QueryFeed(Feed):
    """The changes that fit one query, since somebody watches for it and as far back as the tail reaches."""

    def __init__(self, query: JobQuery, start: int) -> None:
        """Hold every change after revision ``start`` that fits a query; its times are not used."""
        super().__init__()
        self.query = query
        self.start = start
        self._entries: list[LogEntry] = []
        self._revisions: list[int] = []

    def take(self, entries: Sequence[LogEntry]) -> None:
        """Keep those of the next changes that fit, and wake everybody if there are any."""
        if found := [entry for entry in entries if self.fits(entry)]:
            self._entries += found
            self._revisions += [entry.revision for entry in found]
            self.wake()

    def drop(self, start: int) -> None:
        """Forget the changes up to a revision."""
        self.start = max(self.start, start)
        count = bisect_right(self._revisions, start)
        del self._entries[:count], self._revisions[:count]

    def after(self, cursor: int, limit: int) -> Sequence[LogEntry]:
        """The changes after a revision that is not before ``start``, so many at most."""
        place = bisect_right(self._revisions, cursor)
        return self._entries[place : place + limit]

    def fits(self, entry: LogEntry) -> bool:
        """Whether a change fits."""
        query = self.query
        return (
            entry.tenant == query.tenant
            and (not query.plugin or entry.plugin == query.plugin)
            and (not query.statuses or entry.status in query.statuses)
            and (not query.labels or query.labels.items() <= entry.labels.items())
        )


def key_of(query: JobQuery) -> tuple[object, ...]:
    """What makes two queries of changes the same."""
    return query.tenant, query.plugin, query.statuses, tuple(sorted(query.labels.items()))
