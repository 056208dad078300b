"""Submitted jobs: how many a second go all the way to SUCCESS."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import runward
from tests.bench import calls
from tests.bench.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.setting import Setting

NAME = "jobs"
IN_FLIGHT = 64
POLL_SECONDS = 0.02
MOST_SECONDS = 60.0


class JobsError(Exception):
    """The jobs did not all go well; the message tells what was counted."""


def measure(setting: Setting) -> Sequence[Figure]:
    """Submit no-op jobs and wait until the plugin's counters tell that all are SUCCESS. Raises JobsError."""
    submitted: list[float] = []
    finished: list[float] = []
    total = setting.scale.jobs
    with runward.connect_sync(setting.server.address) as rw:
        for number in range(setting.scale.job_rounds):
            setting.say(f"{total} jobs, round {number + 1} of {setting.scale.job_rounds}")
            before = rw.plugin("noop").metrics
            start = time.monotonic()
            setting.load.closed(calls.submit(setting.server.address), IN_FLIGHT, calls=total)
            submitted.append(total / (time.monotonic() - start))
            while (now := rw.plugin("noop").metrics).success_count < before.success_count + total:
                if now.error_count > before.error_count or time.monotonic() > start + MOST_SECONDS:
                    raise JobsError(f"{now.success_count - before.success_count} of {total} jobs ended SUCCESS")
                time.sleep(POLL_SECONDS)
            finished.append(total / (time.monotonic() - start))
    return [
        Figure.of_rounds(NAME, f"submit to SUCCESS, {total} jobs", finished, "/s"),
        Figure.of_rounds(NAME, "acknowledged meanwhile", submitted, "/s"),
    ]
