"""Batches: how many jobs a second are acknowledged, against the unary calls that a bare echo makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward.v1 import jobs_pb2
from tests.bench import calls
from tests.bench.figure import Figure, Target
from tests.bench.meter import Meter
from tests.bench.statistics import ratios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.child_program import Call
    from tests.bench.setting import Setting

NAME = "batch"
JOBS = 100
"""In a batch."""
IN_FLIGHT = 4
ECHO_IN_FLIGHT = 64
TARGET = Target(2, at_least=True)
AIM = Target(5, at_least=True, aim=True)


NAP_SECONDS = 5


class BatchError(Exception):
    """A batch was not accepted whole; the message tells what was refused."""


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure both in turns, with jobs that take so long that hardly any runs meanwhile. Raises BatchError."""
    batch = calls.batch(setting.server.address, "nap", JOBS, seconds=NAP_SECONDS)
    check(setting, batch)
    echo_meter = Meter(setting, calls.echo(setting.echo_address), [setting.echo_pid], ECHO_IN_FLIGHT)
    batch_meter = Meter(setting, batch, [setting.server.pid], IN_FLIGHT)
    for number in range(setting.scale.rounds):
        setting.say(f"batches of {JOBS}, round {number + 1} of {setting.scale.rounds}")
        for meter in (echo_meter, batch_meter) if number % 2 == 0 else (batch_meter, echo_meter):
            meter.round(setting.scale.rate_seconds)
    jobs = [rate * JOBS for rate in batch_meter.rates]
    against = ratios(jobs, echo_meter.rates)
    cpu = [batch_us / JOBS for batch_us in batch_meter.service_us]
    return [
        Figure.of_rounds(NAME, f"jobs in batches of {JOBS} / echo", against, "", TARGET),
        Figure.of_rounds(NAME, "the same, the aim", against, "", AIM),
        Figure.of_rounds(NAME, "jobs acknowledged", jobs, "/s"),
        Figure.of_rounds(NAME, f"echo, {ECHO_IN_FLIGHT} in flight", echo_meter.rates, "/s"),
        Figure.of_rounds(NAME, "CPU per job: service", cpu, "µs"),
    ]


def check(setting: Setting, batch: Call) -> None:
    """See that a batch is accepted whole, and stored. Raises BatchError."""
    answer = jobs_pb2.BatchSubmitJobsResponse.FromString(setting.load.one(batch))
    jobs = {result.job.id for result in answer.results if result.WhichOneof("outcome") == "job"}
    if len(jobs) != JOBS:
        raise BatchError(f"{len(jobs)} of {JOBS} jobs were accepted: {str(answer.results[-1])[:300]}")
    last = calls.get_job(setting.server.address, answer.results[-1].job.id)
    stored = jobs_pb2.GetJobResponse.FromString(setting.load.one(last)).job
    if stored.revision < answer.results[-1].job.revision:
        raise BatchError("the last job of a batch is not stored as it was answered")
