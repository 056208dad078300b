"""CacheEviction: keeps the outputs that stand for those of equal jobs within their limits, off the callers' way."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.domain.errors import GovernedError

if TYPE_CHECKING:
    from runward_service.domain.limits import CacheLimits
    from runward_service.store.kept_results import SqliteKeptResults

INTERVAL_SECONDS = 5.0

logger = logging.getLogger(__name__)


class CacheEviction:
    """Looks now and again whether too much is kept."""

    def __init__(self, results: SqliteKeptResults, limits: CacheLimits) -> None:
        """Keep what the store has within the limits."""
        self._results = results
        self._limits = limits

    async def run(self) -> None:
        """Evict what is too much, now and again, until cancelled. A store that refuses is asked again later."""
        while True:
            try:
                if evicted := await self._results.evict(self._limits):
                    logger.info("cache: %d outputs evicted", evicted)
            except (GovernedError, OSError) as error:
                logger.warning("the cache has to wait: %s", error)
            await asyncio.sleep(INTERVAL_SECONDS)
