"""Pages of the log for those who are behind its end, read once for all who ask for the same one at about the same time,
as watchers do that come back after a restart.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from runward_service.watch.feeds import key_of, looked_at

if TYPE_CHECKING:
    from runward_service.store.job_reader import JobQuery, LogPage
    from runward_service.store.protocols import EventLog

WINDOW = 512
"""How many revisions a page spans; pages begin at its multiples, so that watchers at different places share them."""
PAGES = 16
"""How many are kept."""


class SharedPages:
    """The pages that were read last."""

    def __init__(self, reader: EventLog) -> None:
        """Read the log."""
        self._reader = reader
        self._pages: dict[tuple[object, ...], asyncio.Task[LogPage]] = {}

    async def after(self, query: JobQuery, cursor: int, end: int) -> LogPage:
        """The changes that fit a query after a revision, up to another at most, at least up to a later one than the
        cursor.
        """
        start = cursor - cursor % WINDOW
        upto = min(start + WINDOW, end)
        page = await self._page(query, start, upto)
        if page.upto <= cursor:  # one that was cut short
            page = await self._page(query, cursor, upto)
        return replace(page, entries=[entry for entry in page.entries if entry.revision > cursor])

    def forget(self) -> None:
        """Keep no page any longer."""
        self._pages.clear()

    async def _page(self, query: JobQuery, start: int, upto: int) -> LogPage:
        key = (start, *key_of(query))
        task = self._pages.pop(key, None)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.ensure_future(self._reader.log_page(query, start, upto, WINDOW + 1))
            task.add_done_callback(looked_at)
        self._pages[key] = task
        if len(self._pages) > PAGES:
            self._pages.pop(next(iter(self._pages)))
        return await asyncio.shield(task)
