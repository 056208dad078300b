"""Submitted jobs: how many a second go all the way to SUCCESS, submitted one by one and in batches of 100."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import runward
from tests.bench import calls
from tests.bench.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.child_program import Call
    from tests.bench.setting import Setting

NAME = "jobs"
IN_FLIGHT = 64
BATCH = 100
BATCHES_IN_FLIGHT = 8
POLL_SECONDS = 0.02
MOST_SECONDS = 60.0


class JobsError(Exception):
    """The jobs did not all go well; the message tells what was counted."""


def measure(setting: Setting) -> Sequence[Figure]:
    """Submit no-op jobs and wait until the plugin's counters tell that all are SUCCESS. Raises JobsError."""
    address, total = setting.server.address, setting.scale.jobs
    ways = {"": (calls.submit(address), 1), f", in batches of {BATCH}": (calls.batch(address, "noop", BATCH), BATCH)}
    submitted: dict[str, list[float]] = {way: [] for way in ways}
    finished: dict[str, list[float]] = {way: [] for way in ways}
    with runward.connect_sync(address) as rw:
        for number in range(setting.scale.job_rounds):
            for way, (call, size) in ways.items() if number % 2 == 0 else reversed(ways.items()):
                setting.say(f"{total} jobs{way}, round {number + 1} of {setting.scale.job_rounds}")
                stored, ended = run(setting, rw, call, size, total)
                submitted[way].append(total / stored)
                finished[way].append(total / ended)
    figures = []
    for way in ways:
        figures.append(Figure.of_rounds(NAME, f"submit to SUCCESS, {total} jobs{way}", finished[way], "/s"))
        figures.append(Figure.of_rounds(NAME, f"acknowledged meanwhile{way}", submitted[way], "/s"))
    return figures


def run(setting: Setting, rw: runward.SyncClient, call: Call, size: int, total: int) -> tuple[float, float]:
    """Run so many jobs, some with each call; the seconds until all were stored, and until all were SUCCESS."""
    before, start = rw.plugin("noop").metrics, time.monotonic()
    setting.load.closed(call, IN_FLIGHT if size == 1 else BATCHES_IN_FLIGHT, calls=total // size)
    stored = time.monotonic() - start
    while (now := rw.plugin("noop").metrics).success_count < before.success_count + total:
        if now.error_count > before.error_count or time.monotonic() > start + MOST_SECONDS:
            raise JobsError(f"{now.success_count - before.success_count} of {total} jobs ended SUCCESS")
        time.sleep(POLL_SECONDS)
    return stored, time.monotonic() - start
