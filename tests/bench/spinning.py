"""How quickly the service answers while its workers keep every core busy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import runward
from runward.v1 import jobs_pb2
from tests.bench import calls
from tests.bench.figure import Figure, Target
from tests.bench.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.setting import Setting

NAME = "spinning"
SPINNERS = 6
CALLS_A_SECOND = 20.0
"""Of each kind."""
MARGIN_SECONDS = 1.5
"""How much longer than the measurement the jobs spin."""
MOST_SECONDS = 30.0
TARGET = Target(50)


def measure(setting: Setting) -> Sequence[Figure]:
    """Call at a modest pace while six jobs spin, and the echo with it, which shows what the machine itself adds."""
    server, load = setting.server.address, setting.load
    latencies: dict[str, list[float]] = {}
    for number in range(setting.scale.spin_windows):
        setting.say(f"{SPINNERS} jobs spin, window {number + 1} of {setting.scale.spin_windows}")
        jobs = start_spinning(setting)
        kinds = {
            "GetJob": calls.get_job(server, jobs[0]),
            "health Check": calls.check_health(server),
            "no-op Analyze": calls.analyze(server),
            "echo beside them": calls.echo(setting.echo_address),
        }
        found = load.paced(list(kinds.values()), CALLS_A_SECOND, setting.scale.spin_seconds)
        with runward.connect_sync(server) as rw:
            still = [rw.get(job).status for job in jobs]
            if set(still) != {"RUNNING"}:
                raise SpinningError(f"the jobs did not spin to the end of the measurement: {still}")
            for job in jobs:
                rw.result(job, timeout=MOST_SECONDS)
        for kind, values in zip(kinds, found, strict=True):
            latencies.setdefault(kind, []).extend(values)
    return [figure for kind, values in latencies.items() for figure in figures(kind, values)]


class SpinningError(Exception):
    """The six jobs did not run together for as long as the measurement."""


def start_spinning(setting: Setting) -> list[str]:
    """Submit the jobs and wait until all of them run; their ids."""
    seconds = setting.scale.spin_seconds + MARGIN_SECONDS
    call = calls.submit(setting.server.address, "spin", seconds=seconds)
    jobs = [jobs_pb2.SubmitJobResponse.FromString(setting.load.one(call)).job.id for _ in range(SPINNERS)]
    end = time.monotonic() + MARGIN_SECONDS
    with runward.connect_sync(setting.server.address) as rw:
        while any(rw.get(job).status != "RUNNING" for job in jobs):
            if time.monotonic() > end:
                raise SpinningError("the jobs did not start together")
            time.sleep(0.02)
    return jobs


def figures(kind: str, latencies: Sequence[float]) -> list[Figure]:
    """Give the p50 and the p99 of one kind of call; the echo has no target."""
    target = None if kind.startswith("echo") else TARGET
    return [
        Figure(NAME, f"{kind}, p99 of {len(latencies)}", percentile(latencies, 0.99), "ms", target),
        Figure(NAME, f"{kind}, p50", percentile(latencies, 0.5), "ms"),
    ]
