"""How fast a queue drains, measured, and when there will be room in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WEIGHT = 0.05
"""Of the newest interval in the mean."""
UNKNOWN_SECONDS = 1.0
"""The interval that is assumed before anything has left the queue."""
SHORTEST_SECONDS, LONGEST_SECONDS = 0.1, 60.0


class DrainRate:
    """The mean time between two departures from a queue, over the times at which something waited in it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Measure by a clock in seconds."""
        self._clock = clock
        self._mean = 0.0
        self._since: float | None = None
        self._promised = 0.0

    def began(self) -> None:
        """The queue was empty and is no longer."""
        self._since = self._clock()

    def left(self, *, emptied: bool) -> None:
        """An entry left the queue because its turn had come. One that left nothing behind tells how soon others come,
        not how fast they could leave, and is not measured.
        """
        now = self._clock()
        if self._since is not None and not emptied:
            interval = now - self._since
            self._mean += (interval - self._mean) * (WEIGHT if self._mean else 1.0)
        self._since = None if emptied else now

    @property
    def measured(self) -> bool:
        """Whether anything has left yet."""
        return self._mean > 0

    @property
    def interval(self) -> float:
        """Seconds between two departures; longer where nothing has left for longer than that."""
        standing = 0.0 if self._since is None else self._clock() - self._since
        return max(self._mean or UNKNOWN_SECONDS, standing)

    def seconds_to_room(self, departures: float, waiting: int) -> float:
        """How long someone who was refused should wait, where room comes after so many departures.

        Each one who asks is given a place behind those who asked before, so that they come back at the pace at which
        there is room; but nobody waits longer than all that waits now takes to leave.
        """
        now, interval = self._clock(), self.interval
        longest = min(max(waiting * interval, SHORTEST_SECONDS), LONGEST_SECONDS)
        self._promised = min(max(self._promised, now) + departures * interval, now + longest)
        return max(self._promised - now, SHORTEST_SECONDS)
