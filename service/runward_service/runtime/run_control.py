"""Stopping a run from outside: one for each attempt, held by whoever may cancel it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runward_service.domain.errors import GovernedError


class RunControl:
    """Ends what a run waits for: a worker, then that worker's answer, then the pause before another attempt."""

    def __init__(self, *, fresh: bool = False) -> None:
        """Start with nothing to stop. ``fresh`` asks for a worker that has run nothing before."""
        self.fresh = fresh
        self.error: GovernedError | None = None
        self._waiting: asyncio.Future[Any] | None = None

    def bind(self, future: asyncio.Future[Any]) -> None:
        """The run now waits for this future; it fails at once when the run was stopped already."""
        self._waiting = future
        if self.error is not None:
            self._fail(self.error)

    async def pause(self, seconds: float) -> None:
        """Wait between two attempts, until the run is stopped at most."""
        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.bind(stopped)
        done, _ = await asyncio.wait([stopped], timeout=seconds)
        if done:
            stopped.exception()  # looked at: the next attempt ends with it

    def stop(self, error: GovernedError) -> None:
        """End the run with an error. Only the first call counts."""
        if self.error is None:
            self.error = error
            self._fail(error)

    def check(self) -> None:
        """Raises the error that the run was stopped with, if it was."""
        if self.error is not None:
            raise self.error

    def _fail(self, error: GovernedError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
