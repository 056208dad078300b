"""RecentPeak: a peak is remembered for one span at least, two at most."""

from __future__ import annotations

import pytest

from runward_service.domain.recent_peak import RecentPeak


def test_a_peak_outlives_what_follows_it() -> None:
    """What falls right after its peak, and in the span after that, is still taken for the peak."""
    peak = RecentPeak(1.0)
    assert peak.note(64, 10.0) == 64
    assert [peak.note(number, time) for number, time in ((3, 10.1), (0, 10.9), (1, 11.0), (2, 11.9))] == [64] * 4
    assert peak.value == 64


@pytest.mark.parametrize("silence", [2.0, 1000.0])
def test_a_peak_is_forgotten(silence: float) -> None:
    """Two spans later, or after any longer silence, only what came since counts."""
    peak = RecentPeak(1.0)
    peak.note(64, 10.0)
    peak.note(5, 10.5)
    assert peak.note(2, 10.0 + silence) == 2
    assert peak.note(7, 10.1 + silence) == 7


def test_the_peak_rises_at_once() -> None:
    """A larger number is the peak when it is seen."""
    peak = RecentPeak(1.0)
    assert [peak.note(number, 1.0) for number in (1, 2, 40, 39)] == [1, 2, 40, 40]
