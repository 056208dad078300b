"""When watchers are told that the log has gone on without a change for them: in turns, a few at a time, so that changes
do not wait behind a thousand bookmarks.
"""

from __future__ import annotations

import asyncio
from collections import deque

ROUND_SECONDS = 1.0
"""The least time between two bookmarks of one watch."""
TICK_SECONDS = 0.1
A_TICK = 10
"""How many are told at once: a hundred a second in all."""


class Waiter(asyncio.Event):
    """One watcher's wake-up."""

    bookmark_due = False
    """Whether it is to send a bookmark when it has nothing else to send."""


class BookmarkRounds:
    """The turns of all who watch many jobs."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._waiters: deque[Waiter] = deque()
        self._left = 0
        """How many have not been told in this round."""
        self._revision = 0
        self._next = 0.0

    def add(self, waiter: Waiter) -> None:
        """Give a watcher a turn."""
        self._waiters.append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """Take its turn away."""
        self._waiters.remove(waiter)
        self._left = min(self._left, len(self._waiters))

    def delay(self, now: float, revision: int) -> float | None:
        """The seconds until somebody's turn comes, the log being at a revision; None where nobody has to be told."""
        waits = self._left > 0 or (revision > self._revision and len(self._waiters) > 0)
        return max(self._next - now, 0.0) if waits else None

    def tick(self, now: float, revision: int) -> None:
        """Wake those whose turn it is."""
        if now < self._next or self.delay(now, revision) is None:
            return
        if self._left == 0:
            self._left, self._revision = len(self._waiters), revision
        for _ in range(min(self._left, A_TICK)):
            waiter = self._waiters[0]
            self._waiters.rotate(-1)
            waiter.bookmark_due = True
            waiter.set()
            self._left -= 1
        self._next = now + (TICK_SECONDS if self._left else ROUND_SECONDS)
