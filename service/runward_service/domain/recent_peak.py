"""RecentPeak: the most that a number has been of late."""

from __future__ import annotations


class RecentPeak:
    """Remembers two spans of time: the current one and the one before, so that no peak is forgotten sooner than a span
    after it was seen, nor remembered for more than two.
    """

    __slots__ = ("_before", "_now", "_span", "_span_end", "value")

    def __init__(self, span_seconds: float) -> None:
        """Start at zero."""
        self._span = span_seconds
        self._span_end = 0.0
        self._now = 0
        self._before = 0
        self.value = 0
        """The peak."""

    def note(self, number: int, time: float) -> int:
        """The number is this now, at a time in seconds that never falls; the peak."""
        if time >= self._span_end:
            self._before = self._now if time < self._span_end + self._span else 0
            self._now = 0
            self._span_end = time + self._span
        self._now = max(self._now, number)
        self.value = max(self._now, self._before)
        return self.value
