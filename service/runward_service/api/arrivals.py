"""Arrivals: the calls of a crowd go on several at a time.

gRPC hands calls over one by one, each after some turns of the loop. What a call causes beside its own work (a message
to a worker, an answer to be read, a thread to be woken) several calls cause once where they go on together.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runward_service.domain.recent_peak import RecentPeak

if TYPE_CHECKING:
    from collections.abc import Callable

CROWD = 24
CROWD_SECONDS = 0.1
SHARE = 4
MOST = 16
PATIENCE_SECONDS = 0.002
"""With a CROWD of calls under way, now or in the last CROWD_SECONDS, a call that arrives waits until crowd / SHARE of
them have come, MOST at most, or for PATIENCE_SECONDS. With fewer calls the wait costs what it saves.
"""


class Arrivals:
    """The calls that wait for others to go on with. Used on the loop alone."""

    def __init__(self, under_way: Callable[[], int]) -> None:
        """Start with none; ``under_way`` tells how many calls there are, those that wait here included."""
        self._under_way = under_way
        self._crowd = RecentPeak(CROWD_SECONDS)
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    def enter(self) -> asyncio.Future[None] | None:
        """A call has arrived: what it is to wait for, None where it goes on at once."""
        loop = asyncio.get_running_loop()
        crowd = self._crowd.note(self._under_way(), loop.time())
        if crowd < CROWD:
            return None
        if len(self._waiting) + 1 >= min(crowd // SHARE, MOST):
            self._go_on()
            return None
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if self._timer is None:
            self._timer = loop.call_later(PATIENCE_SECONDS, self._go_on)
        return future

    def _go_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():  # a caller that has hung up waits no more
                future.set_result(None)
