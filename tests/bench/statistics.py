"""The few statistics that the benchmark needs."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["median", "percentile", "ratios"]


def percentile(values: Sequence[float], fraction: float) -> float:
    """Give the smallest value that so large a fraction of the values does not exceed (nearest rank).

    Raises:
        ValueError: there are no values, or the fraction is not from 0 to 1.
    """
    if not values or not 0 <= fraction <= 1:
        raise ValueError("a percentile takes some values, and a fraction from 0 to 1")
    # Rounded first: 0.99 * 200 is a little more than 198 in floating point.
    rank = math.ceil(round(fraction * len(values), 9))
    return sorted(values)[max(rank, 1) - 1]


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Divide the figures of each round: what disturbs a whole round disturbs both, and its ratio less."""
    return [numerator / denominator for numerator, denominator in zip(numerators, denominators, strict=True)]
