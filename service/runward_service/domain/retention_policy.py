"""How long finished jobs are kept."""

from __future__ import annotations

from dataclasses import dataclass

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long finished jobs are kept that ask for nothing else: microseconds after their end, and how many of them at
    most (0: any number).
    """

    retain_for_us: int = 30 * DAY_US
    retain_jobs: int = 1_000_000
