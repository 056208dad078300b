"""Whether the two processes of a worker answer: its keeper at any time, its host between runs."""

from __future__ import annotations

import asyncio

PING_SECONDS = 1.0
SILENCE_SECONDS = 5.0
LEAST_SILENCE_SECONDS = 1.0
KEEPER = "keeper"
HOST = "host"


class Heartbeat:
    """Who of a worker was asked for a sign of life, and since when that has not come."""

    def __init__(self) -> None:
        """Start with nobody asked."""
        self._loop = asyncio.get_running_loop()
        self._asked: dict[str, float] = {}

    def ask(self, who: str) -> bool:
        """Note that somebody is asked now; False where an earlier question is still open."""
        if who in self._asked:
            return False
        self._asked[who] = self._loop.time()
        return True

    def heard(self, who: str) -> None:
        """Somebody answered."""
        self._asked.pop(who, None)

    def silent(self, seconds: float) -> str:
        """Who has been asked so many seconds ago and has not answered; empty where nobody."""
        latest = self._loop.time() - seconds
        return next((who for who, time in self._asked.items() if time <= latest), "")

    def forgive(self) -> None:
        """This process was held up itself: count from now on."""
        now = self._loop.time()
        self._asked = dict.fromkeys(self._asked, now)


def longest_silence(timeout: float) -> float:
    """How long a worker may be silent, in seconds: as long as a run of its plugin may take, within limits."""
    return min(max(timeout, LEAST_SILENCE_SECONDS), SILENCE_SECONDS)
