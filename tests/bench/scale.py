"""How long the benchmark takes: as it should be, or quick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything is measured; times in seconds."""

    rounds: int
    rate_seconds: float
    latency_calls: int
    spin_windows: int
    spin_seconds: float
    starts: int
    jobs: int
    job_rounds: int
    scans: int
    package_scans: int
    overload_seconds: float
    watches: int
    stored_jobs: int


FULL = Scale(
    rounds=6,
    rate_seconds=3,
    latency_calls=250,
    spin_windows=3,
    spin_seconds=10,
    starts=5,
    jobs=2000,
    job_rounds=3,
    scans=11,
    package_scans=5,
    overload_seconds=60,
    watches=5000,
    stored_jobs=100_000,
)
QUICK = Scale(
    rounds=3,
    rate_seconds=1,
    latency_calls=100,
    spin_windows=1,
    spin_seconds=10,
    starts=3,
    jobs=500,
    job_rounds=1,
    scans=5,
    package_scans=1,
    overload_seconds=10,
    watches=1000,
    stored_jobs=10_000,
)
