"""Retention: removes finished jobs, and what belongs to them, when their time is over."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.domain.errors import GovernedError

if TYPE_CHECKING:
    from runward_service.domain.retention_policy import RetentionPolicy
    from runward_service.store.checkpointer import Checkpointer
    from runward_service.store.collector import Collector
    from runward_service.store.job_removal import SqliteJobRemoval

INTERVAL_SECONDS = 5.0
SWEEP_INTERVAL_SECONDS = 6 * 3600.0
MAX_LOG_BYTES = 64 * 1024 * 1024
"""A write-ahead log larger than this, for readers that never left SQLite a moment to begin it anew, is emptied here."""

logger = logging.getLogger(__name__)


class Retention:
    """Looks now and again what is over."""

    def __init__(
        self, policy: RetentionPolicy, removal: SqliteJobRemoval, collector: Collector, checkpointer: Checkpointer
    ) -> None:
        """Keep jobs as the policy says."""
        self.policy = policy
        self.collector = collector
        self._removal = removal
        self._checkpointer = checkpointer

    async def run(self) -> None:
        """Remove what is over, now and again, until cancelled. A store that refuses is asked again later."""
        loop = asyncio.get_running_loop()
        next_sweep = loop.time()
        published = False
        while True:
            try:
                if not published:
                    await self._removal.set_policy(self.policy)
                    published = True
                await self.collector.collect(self.policy, now_us())
                if loop.time() >= next_sweep:
                    await self.collector.sweep(now_us())
                    next_sweep = loop.time() + SWEEP_INTERVAL_SECONDS
                if self._checkpointer.log_bytes > MAX_LOG_BYTES:
                    await self._checkpointer.empty_log()
            except (GovernedError, OSError) as error:
                logger.warning("retention has to wait: %s", error)
            await asyncio.sleep(INTERVAL_SECONDS)
