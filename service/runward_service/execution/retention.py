"""Retention: removes finished jobs, and what belongs to them, when their time is over."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.domain.errors import GovernedError
from runward_service.store.job_removal import Removed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runward_service.domain.retention_policy import RetentionPolicy
    from runward_service.store.checkpointer import Checkpointer
    from runward_service.store.image_sweep import ImageSweep
    from runward_service.store.job_removal import SqliteJobRemoval

PAUSE_SECONDS = 0.01
"""Between two steps, so that callers' writes come between them."""
INTERVAL_SECONDS = 5.0
SWEEP_INTERVAL_SECONDS = 6 * 3600.0
MAX_LOG_BYTES = 64 * 1024 * 1024
"""A write-ahead log larger than this, for readers that never left SQLite a moment to begin it anew, is emptied here."""

logger = logging.getLogger(__name__)


class Retention:
    """Removes in small steps, off the callers' way."""

    def __init__(
        self, policy: RetentionPolicy, removal: SqliteJobRemoval, sweep: ImageSweep, checkpointer: Checkpointer
    ) -> None:
        """Keep jobs as the policy says."""
        self._policy = policy
        self._removal = removal
        self._sweep = sweep
        self._checkpointer = checkpointer

    async def run(self) -> None:
        """Remove what is over, now and again, until cancelled. A store that takes nothing is asked again later."""
        loop = asyncio.get_running_loop()
        next_sweep = loop.time()
        published = False
        while True:
            try:
                if not published:
                    await self._removal.set_policy(self._policy)
                    published = True
                await self.collect(now_us())
                if loop.time() >= next_sweep:
                    await self.sweep(now_us())
                    next_sweep = loop.time() + SWEEP_INTERVAL_SECONDS
                if self._checkpointer.log_bytes > MAX_LOG_BYTES:
                    await self._checkpointer.empty_log()
            except GovernedError as error:
                logger.warning("retention has to wait: %s", error)
            await asyncio.sleep(INTERVAL_SECONDS)

    async def collect(self, now: int, progress: Callable[[Removed], None] = lambda _: None) -> Removed:
        """Remove all that is over at ``now`` (microseconds since 1970); ``progress`` hears what is removed so far."""
        total = Removed()
        for step in (
            lambda: self._removal.compact_log(self._policy, now),
            lambda: self._removal.remove_expired(now),
            self._removal.remove_files,
        ):
            total = await self._repeat(step, total, progress)
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
