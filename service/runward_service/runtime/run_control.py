"""Stopping a run from outside: one for each attempt, held by whoever may cancel it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from runward_service.domain.errors import GovernedError
    from runward_service.domain.run_reply import RunReply


class RunTurn(Protocol):
    """A run's place among those that may run at once."""

    async def take(self) -> None:
        """Wait for a place, unless it has one. Raises what the run is stopped with meanwhile."""

    def lend(self) -> None:
        """Let others have the place while the run waits for the answer of another."""


class RunControl:
    """Ends what a run waits for: a worker, then that worker's answer, then the pause before another attempt. Also holds
    what belongs to its job while that is under way.
    """

    def __init__(self, *, fresh: bool = False) -> None:
        """Start with nothing to stop. ``fresh`` asks for a worker that has run nothing before."""
        self.fresh = fresh
        self.error: GovernedError | None = None
        self.turn: RunTurn | None = None
        """Absent where a run is made for its own sake, as a verification is: no other's answer stands for it."""
        self.cache_key = b""
        """Under which its output is kept and shared; empty where it is not."""
        self.cache_code = ""
        """The digest of the code that the key names."""
        self.recalled: RunReply | None = None
        """A kept output that was found for it."""
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

    def end(self) -> None:
        """The job has ended. Turn and control hold each other, the error by its traceback all that it was raised
        through, a job with its image among that: without this, only the collector would free them.
        """
        self.turn = self._waiting = None
        if self.error is not None:
            self.error.__traceback__ = None

    def _fail(self, error: GovernedError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
