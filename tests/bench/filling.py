"""Filling a store with finished jobs: no-op jobs in batches, run by the server that is measured.

So the store is as such a server leaves it, receipts, events and counters included, and so is the server's memory.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.bench import calls
from tests.bench.jobs import JobsError
from tests.bench.rate import successes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.child_program import LoadProgram

BATCH = 500
WAVE = 10_000
"""So many are submitted before they are waited for: a plugin's queue has a bound."""
BATCHES_IN_FLIGHT = 2
POLL_SECONDS = 0.01
PATIENCE_SECONDS = 120.0
"""For a wave, or fewer jobs."""


def fill(load: LoadProgram, address: str, jobs: int, say: Callable[[str], None] = lambda _: None) -> None:
    """Have a server run so many no-op jobs, no two images alike. Raises LoadError or JobsError."""
    batch, left = calls.batch(address, "noop", BATCH), jobs
    while left:
        wave = min(left, WAVE)
        say(f"{jobs - left:,} of {jobs:,} jobs are stored")
        before = successes(load, address)
        load.closed(batch, BATCHES_IN_FLIGHT, calls=wave // BATCH)
        wait_for(load, address, before + wave)
        left -= wave


def wait_for(load: LoadProgram, address: str, count: int) -> None:
    """Wait until so many no-op jobs ended SUCCESS. Raises JobsError."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (found := successes(load, address)) < count:
        if time.monotonic() > end:
            raise JobsError(f"{found} of {count} jobs ended SUCCESS within {PATIENCE_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
