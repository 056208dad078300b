"""Durations counted in buckets of equal ratio, from which percentiles are read with a known error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKETS_AN_OCTAVE = 8
"""Eight buckets between a duration and its double: each is 9 % wide."""


def bucket_of(duration_us: int) -> int:
    """The bucket of a duration in microseconds."""
    return math.floor(math.log2(max(duration_us, 1)) * BUCKETS_AN_OCTAVE)


def duration_of(bucket: int) -> int:
    """The middle of a bucket, in microseconds."""
    return round(2 ** ((bucket + 0.5) / BUCKETS_AN_OCTAVE))


def percentile(counts: Mapping[int, int], share: float) -> int:
    """The duration in microseconds below which a share (0 to 1) of the counted ones lie; 0 when none was counted."""
    total = sum(counts.values())
    rank = math.ceil(total * share)
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank > 0:
            return duration_of(bucket)
    return 0
