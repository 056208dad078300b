"""What became of running a finished job again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any


class Verdict(StrEnum):
    """Whether the job's end follows from its input."""

    REPRODUCIBLE = "REPRODUCIBLE"
    DIVERGED = "DIVERGED"
    UNVERIFIABLE = "UNVERIFIABLE"


class Absent(Enum):
    """Stands for a value where there is none, which null is not."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict; of one that is DIVERGED, the first JSON path at which the ends differ, and both values there (ABSENT
    where one end has none); ``reason`` tells why it is not REPRODUCIBLE.
    """

    verdict: Verdict
    path: str = ""
    recorded: Any = ABSENT
    observed: Any = ABSENT
    reason: str = ""


REPRODUCIBLE = Verification(Verdict.REPRODUCIBLE)


def unverifiable(reason: str) -> Verification:
    """The job could not be run again, or what came of that says nothing."""
    return Verification(Verdict.UNVERIFIABLE, reason=reason)


@dataclass(frozen=True, slots=True)
class VerificationCounters:
    """How verifications of a plugin's jobs ended, and the last one that diverged: its job, path and time in
    microseconds, 0 where none has. ``diverged_codes`` are the versions and code digests of which any has.
    """

    reproducible_count: int = 0
    diverged_count: int = 0
    unverifiable_count: int = 0
    diverged_job: str = ""
    diverged_path: str = ""
    diverged_time_us: int = 0
    diverged_codes: frozenset[tuple[str, str]] = frozenset()
