"""A thousand watchers: of all jobs, messages a second against bare streams; of some jobs each, how long a change takes
to reach those whom it concerns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

import runward
from runward.v1 import jobs_pb2
from tests.bench import calls
from tests.bench.child_program import Call
from tests.bench.echo import GO, STREAM
from tests.bench.figure import Figure, Target
from tests.bench.statistics import percentile, ratios
from tests.bench.streams import CHANGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tests.bench.setting import Setting

NAME = "watching"
WATCHERS = 1000
JOBS = 30
CHANGES_A_JOB = 3
GROUPS = 50
PACED_JOBS = 100
PACE_SECONDS = 0.1
RATIO = Target(0.6, at_least=True)
DELAY = Target(100)
MICROSECONDS = 1e6


class FanOut:
    """Rounds of one server: messages a second to all watchers, and the processor time of each message."""

    def __init__(self, setting: Setting, watch: Call, triggers: Sequence[Call], pid: int) -> None:
        """Measure a stream that the process ``pid`` serves."""
        self._setting = setting
        self._watch = watch
        self._triggers = triggers
        self._pid = pid
        self.rates: list[float] = []
        self.server_us: list[float] = []
        self.load_us: list[float] = []

    def round(self) -> None:
        """Measure one round."""
        messages = WATCHERS * JOBS * CHANGES_A_JOB
        answer = self._setting.load.watch(
            [self._watch], self._triggers, self._pid, streams=WATCHERS, messages=JOBS * CHANGES_A_JOB
        )
        self.rates.append(messages / answer["seconds"])
        self.server_us.append(answer["server_seconds"] * MICROSECONDS / messages)
        self.load_us.append(answer["cpu_seconds"] * MICROSECONDS / messages)


def watch_jobs(target: str, **labels: str) -> Call:
    """Make a watch of what comes, of jobs with these labels."""
    request = jobs_pb2.WatchJobsRequest(after_revision=-1, labels=labels)
    return Call(target, f"{calls.EXECUTION}WatchJobs", request.SerializeToString())


def submit(target: str, **labels: str) -> Call:
    """Make a submit of a no-op job with labels."""
    request = jobs_pb2.SubmitJobRequest(plugin="noop", payload=calls.payload(calls.image()), labels=labels)
    return Call(target, f"{calls.EXECUTION}SubmitJob", request.SerializeToString())


def message(address: str) -> bytes:
    """Give the bytes of one change, as a watcher of the server gets them."""
    with runward.connect_sync(address) as rw:
        rw.result(rw.submit("noop", calls.image(), mime_type="image/png").id)
    with grpc.insecure_channel(address) as channel:
        method: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(f"{calls.EXECUTION}WatchJobs")
        return next(raw for raw in method(jobs_pb2.WatchJobsRequest().SerializeToString()) if raw[0] == CHANGE)


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure both in turns, the order changing; then how old changes are when they come, of jobs that
    twenty watchers each wait for.
    """
    address, echo = setting.server.address, setting.echo_address
    bare = FanOut(
        setting,
        Call(echo, STREAM, message(address)),
        [Call(echo, GO, str(JOBS * CHANGES_A_JOB).encode())],
        setting.echo_pid,
    )
    ours = FanOut(setting, watch_jobs(address), [submit(address) for _ in range(JOBS)], setting.server.pid)
    for number in range(setting.scale.rounds):
        setting.say(f"{WATCHERS} watchers, round {number + 1} of {setting.scale.rounds}")
        for one in (bare, ours) if number % 2 == 0 else (ours, bare):
            one.round()
    setting.say(f"{WATCHERS} watchers of {GROUPS} groups of jobs, at a pace")
    paced: Any = setting.load.watch(
        [watch_jobs(address, group=str(number)) for number in range(GROUPS)],
        [submit(address, group=str(number % GROUPS)) for number in range(PACED_JOBS)],
        setting.server.pid,
        streams=WATCHERS,
        messages=PACED_JOBS // GROUPS * CHANGES_A_JOB,
        pause=PACE_SECONDS,
    )
    delays = paced["delays"]
    return [
        Figure.of_rounds(NAME, f"{WATCHERS} watchers / bare streams", ratios(ours.rates, bare.rates), "", RATIO),
        Figure.of_rounds(NAME, "bare streams", bare.rates, "messages/s"),
        Figure.of_rounds(NAME, "watchers", ours.rates, "messages/s"),
        Figure.of_rounds(NAME, "CPU per message: bare server", bare.server_us, "µs"),
        Figure.of_rounds(NAME, "CPU per message: service", ours.server_us, "µs"),
        Figure.of_rounds(NAME, "CPU per message: load", ours.load_us, "µs"),
        Figure(NAME, "change to delivery, p50", percentile(delays, 0.5), "ms"),
        Figure(NAME, "change to delivery, p99", percentile(delays, 0.99), "ms", DELAY),
    ]
