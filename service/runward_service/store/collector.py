"""The collector: removes finished jobs and what belongs to them, step by step, until nothing is left that is over."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.store.job_removal import Removed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runward_service.domain.retention_policy import RetentionPolicy
    from runward_service.store.image_sweep import ImageSweep
    from runward_service.store.job_removal import SqliteJobRemoval
    from runward_service.store.uploads import Uploads

PAUSE_SECONDS = 0.01
"""Between two steps, so that callers' writes come between them."""

logger = logging.getLogger(__name__)


class Collector:
    """Removes in small steps, off the callers' way."""

    def __init__(self, removal: SqliteJobRemoval, sweep: ImageSweep, uploads: Uploads) -> None:
        """Remove jobs by the first, find what crashes left by the second, give up uploads of the third."""
        self._removal = removal
        self._uploads = uploads
        self._sweep = sweep

    async def collect(
        self, policy: RetentionPolicy, now: int, progress: Callable[[Removed], None] = lambda _: None
    ) -> Removed:
        """Remove all that is over at ``now`` (microseconds since 1970); ``progress`` hears what is removed so far.

        Raises GovernedError STORE_UNAVAILABLE; what was removed until then stays so.
        """
        total = Removed()
        for step in (
            lambda: self._removal.compact_log(policy, now),
            lambda: self._removal.remove_expired(now),
            lambda: self._removal.remove_uploads(now),
            self._removal.remove_files,
            self._removal.shorten_chain,
        ):
            total = await self._repeat(step, total, progress)
        await self._uploads.sweep(now)
        if total.jobs:
            logger.info("retention: %d jobs, %d events, %d images removed", total.jobs, total.events, total.images)
        return total

    async def sweep(self, now: int) -> int:
        """Remove files in the images' folder that nothing needs, as crashes leave them; how many."""
        count = await self._sweep.run(now)
        await self._repeat(self._removal.remove_files, Removed(), lambda _: None)
        if count:
            logger.warning("%d files that a crash had left among the images were removed", count)
        return count

    async def _repeat(
        self, step: Callable[[], Awaitable[Removed]], total: Removed, progress: Callable[[Removed], None]
    ) -> Removed:
        while True:
            total = total.plus(await step())
            progress(total)
            if not total.more:
                return total
            await asyncio.sleep(PAUSE_SECONDS)
