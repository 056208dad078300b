"""Background tasks, none of which may die in silence."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

logger = logging.getLogger(__name__)


class Supervisor:
    """Keeps background tasks; the first that fails makes ``failed`` done, and the server stops."""

    def __init__(self) -> None:
        """Start with none. Call on the running loop."""
        self._tasks: set[asyncio.Future[None]] = set()
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def supervise(self, work: Awaitable[None], name: str) -> asyncio.Future[None]:
        """Run work in the background; ``name`` says in the log what failed."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)

        def ended(done: asyncio.Future[None]) -> None:
            self._tasks.discard(done)
            if not done.cancelled() and (error := done.exception()) is not None:
                self.fail(name, error)

        task.add_done_callback(ended)
        return task

    def fail(self, name: str, error: BaseException) -> None:
        """Something that the server cannot do without has failed."""
        logger.critical("%s failed: the server stops", name, exc_info=error)
        if not self.failed.done():
            self.failed.set_result(name)

    async def close(self) -> None:
        """Cancel what still runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
