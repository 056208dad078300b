"""StoredQueue: keeps the bounds on stored jobs true to the store, which outlives this process and others may share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.execution.queue_bounds import QueueBounds
    from runward_service.store.job_reader import SqliteJobReader

SYNC_SECONDS = 1.0
MOST_MISSES = 5
"""Reads that changes of this process's own overtook, after which one counts nevertheless."""


class StoredQueue:
    """Reads how many stored jobs wait: at the start, and while other processes use the store too, every second."""

    def __init__(self, bounds: QueueBounds, reader: SqliteJobReader) -> None:
        """Tell the bounds what the reader sees."""
        self._bounds = bounds
        self._reader = reader
        self._misses = 0
        self._shared = False
        """Whether another process may have changed what waits since it was last read."""

    async def restore(self) -> None:
        """Take over what waits. Call when nothing is being stored."""
        self._bounds.restore(await self._reader.queued())

    def left(self, job: Job) -> None:
        """A stored job ended while it waited."""
        self._bounds.leave(job.plugin, job.image.size_bytes, drained=False)

    async def run(self) -> None:
        """Follow what other processes store and claim, until cancelled. A process alone knows all by itself."""
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            await self.follow()

    async def follow(self) -> None:
        """Take over what others did, also what the last of them did before it left."""
        others = await self._reader.owner_count() > 1
        if others or self._shared:
            taken = await self.sync()
            self._shared = others or not taken

    async def sync(self) -> bool:
        """Take over what waits, unless this process changed it during the read, several times in a row at most. Off by
        what is being stored in that moment, for a second. Whether nothing was changed meanwhile.
        """
        changes = self._bounds.changes
        waiting = await self._reader.queued()
        unchanged = changes == self._bounds.changes
        if unchanged or self._misses >= MOST_MISSES:
            self._misses = 0
            self._bounds.restore(waiting)
        else:
            self._misses += 1
        return unchanged
