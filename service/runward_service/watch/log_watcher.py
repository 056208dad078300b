"""Watching many jobs: the log from a revision on, then what comes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.watch.watcher import check_cursor, job_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runward_service.domain.job import Job
    from runward_service.store.job_reader import JobQuery, SqliteJobReader
    from runward_service.watch.change_signal import ChangeSignal

FROM_NOW = -1
PAGE = 256
WINDOW = 5000
"""How many revisions are looked at in one read, so that a filter which few changes fit does not hold other reads up."""
BOOKMARK_SECONDS = 1.0
"""How often a watch is told at most that the log has gone on without a change for it."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A revision up to which everything that fits has been sent."""

    revision: int


Update: TypeAlias = "Job | Bookmark"


class LogWatcher:
    """Reads the log for watches of many jobs. A cursor is all the state that a watch has."""

    def __init__(self, reader: SqliteJobReader, signal: ChangeSignal) -> None:
        """Read the log and be woken by the signal."""
        self._reader = reader
        self._signal = signal

    async def watch_jobs(self, query: JobQuery, after_revision: int) -> AsyncIterator[Update]:
        """Every change that fits a query after a revision (FROM_NOW: only what comes), in order, each the job as it was
        then, without its result. A bookmark when all that was there has been sent, and now and then when the log goes
        on without a change for this watch. Ends only with an error.

        Raises GovernedError REVISION_AHEAD, or DRAINING when the server stops.
        """
        last = await self._reader.last_revision()
        check_cursor(after_revision, last)
        cursor = last if after_revision == FROM_NOW else after_revision
        told, marked_at = FROM_NOW, 0.0
        loop = asyncio.get_running_loop()
        with self._signal.watching_all() as changed:
            while True:
                changed.clear()
                last = await self._reader.last_revision()
                while cursor < last:
                    page = await self._reader.log_page(query, cursor, min(last, cursor + WINDOW), PAGE)
                    for job, event in page.changes:
                        told = event.revision
                        yield job_at(job, event)
                    cursor = page.upto
                if self._signal.closed:
                    raise GovernedError(ErrorReason.DRAINING, "The server is stopping. Resume from the last revision.")
                if not marked_at or (told < cursor and loop.time() >= marked_at + BOOKMARK_SECONDS):
                    told, marked_at = cursor, loop.time()
                    yield Bookmark(cursor)
                await wait_for(changed, marked_at + BOOKMARK_SECONDS - loop.time() if told < cursor else None)


async def wait_for(changed: asyncio.Event, seconds: float | None) -> None:
    """Wait for a change, so many seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
