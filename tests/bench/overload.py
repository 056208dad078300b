"""Twenty times the load that can be sustained, and very many open watches: what callers then see of the service."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import runward
from runward.v1 import jobs_pb2
from tests.bench import calls
from tests.bench.child_program import LoadProgram
from tests.bench.figure import Figure, Target
from tests.bench.memory import MEBIBYTE, of_service
from tests.bench.statistics import median, percentile
from tests.programs.processes import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.child_program import Call
    from tests.bench.setting import Setting

NAME = "overload"
PLUGIN = "nap"
"""It takes 50 ms and no processor, so that the workers set the sustainable load: with a plugin that does nothing, gRPC
would, which cannot even receive twenty times as many calls.
"""
TIMES = 20
PENDING_JOBS = 1000
ARGUMENTS = ("--workers", "2", "--max-pending-jobs-per-plugin", str(PENDING_JOBS))
"""Fewer stored jobs than by default: what is accepted is waited for."""
FLOODS = 2
"""Processes that make calls, so that the load is no bottleneck."""
PROBES_A_SECOND = 20.0
SUSTAINED_SECONDS = 4.0
SUSTAINED_IN_FLIGHT = 8
LONGEST_DRAIN_SECONDS = 120.0
SAMPLE_SECONDS = 0.25
CONNECTIONS = 10
MICROSECONDS = 1e6
LATENCY = Target(100)
GROWTH = Target(32)


class OverloadError(Exception):
    """Something was lost, or refused in a way that is none of the service's; the message tells what."""


class MemorySamples:
    """The service's resident memory, sampled in a thread while a block lasts."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.samples: list[int] = []

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.samples.append(of_service(self._pid))

    def __enter__(self) -> MemorySamples:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def growth(self) -> float:
        """Bytes by which the last quarter lies above the second one: the first fills the queues."""
        quarter = len(self.samples) // 4
        return median(self.samples[-quarter:]) - median(self.samples[quarter : 2 * quarter])


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure the flood, then the watches. Raises OverloadError."""
    return [*flooded(setting), *watched(setting)]


def flooded(setting: Setting) -> list[Figure]:
    """Flood the service, with GetJob probed meanwhile, and see that all that it accepted ends SUCCESS."""
    server, seconds = setting.server.address, setting.scale.overload_seconds
    offered = [calls.analyze(server, PLUGIN), calls.submit(server, PLUGIN)]
    setting.say("the sustainable load")
    closed = setting.load.closed(offered[0], SUSTAINED_IN_FLIGHT, seconds=SUSTAINED_SECONDS)
    sustained = len(closed["latencies"]) / closed["seconds"]
    probe = calls.get_job(server, job_of(setting, offered[1]))
    with ExitStack() as stack:
        # Before the client opens: a process that is forked while gRPC runs harms it.
        floods = [stack.enter_context(LoadProgram()) for _ in range(FLOODS)]
        rw = stack.enter_context(runward.connect_sync(server))
        wait_until_idle(rw)
        before = rw.plugin(PLUGIN).metrics
        setting.say(f"{TIMES} times {sustained:.0f} calls a second, for {seconds:.0f} s")
        with MemorySamples(setting.server.pid) as memory:
            cpu = cpu_seconds([setting.server.pid])
            for each in floods:
                each.begin_flood(offered, TIMES * sustained / FLOODS, seconds)
            probes = setting.load.paced([probe], PROBES_A_SECOND, seconds)[0]
            cpu = cpu_seconds([setting.server.pid]) - cpu
        answers = [each.answer() for each in floods]
        setting.say("what was accepted comes to its end")
        wait_until_idle(rw)
        after = rw.plugin(PLUGIN).metrics
    refusals = [latency for answer in answers for latency in answer["refusals"]]
    others = sum((Counter(answer["others"]) for answer in answers), Counter())
    accepted = sum(sum(answer["accepted"]) for answer in answers)
    ended = after.success_count - before.success_count
    if others or ended != accepted or after.error_count != before.error_count:
        failed = after.error_count - before.error_count
        raise OverloadError(f"{accepted} were accepted, {ended} ended SUCCESS, {failed} failed; others: {dict(others)}")
    if not refusals:
        raise OverloadError("nothing was refused")
    sent = max(answer["sent_seconds"] for answer in answers)
    offered_rate = (len(refusals) + accepted) / sent / sustained
    return [
        Figure(NAME, f"offered / sustainable ({sustained:.0f}/s)", offered_rate),
        Figure(NAME, f"refusal, p99 of {len(refusals)}", percentile(refusals, 0.99), "ms", LATENCY),
        Figure(NAME, "refusal, p50", percentile(refusals, 0.5), "ms"),
        Figure(NAME, f"GetJob meanwhile, p99 of {len(probes)}", percentile(probes, 0.99), "ms", LATENCY),
        Figure(NAME, "GetJob meanwhile, p50", percentile(probes, 0.5), "ms"),
        Figure(NAME, "CPU per offered call: service", cpu * MICROSECONDS / (len(refusals) + accepted), "µs"),
        Figure(NAME, f"accepted, all {accepted} ended SUCCESS", accepted / sent / sustained),
        Figure(NAME, "memory growth, last quarter to second", memory.growth / MEBIBYTE, "MiB", GROWTH),
        Figure(NAME, "memory, most", max(memory.samples) / MEBIBYTE, "MiB"),
    ]


def watched(setting: Setting) -> list[Figure]:
    """Open watches of a job that waits, and submit beside them."""
    server, watches = setting.server.address, setting.scale.watches
    submit = calls.submit(server)
    seconds = min(setting.scale.overload_seconds, 20)
    setting.say("SubmitJob without watches")
    alone = setting.load.paced([submit], PROBES_A_SECOND, seconds)[0]
    napping = [job_of(setting, calls.submit(server, PLUGIN, seconds=3 * seconds + 60)) for _ in range(3)]
    memory_before = of_service(setting.server.pid)
    with LoadProgram() as watchers:
        setting.say(f"{watches} watches open")
        watchers.open_streams(calls.watch_job(server, napping[-1]), watches, CONNECTIONS)
        each = (of_service(setting.server.pid) - memory_before) / watches / 1024
        setting.say(f"SubmitJob beside {watches} watches")
        beside = setting.load.paced([submit], PROBES_A_SECOND, seconds)[0]
        watchers.close_streams()
    with runward.connect_sync(server) as rw:
        for job in napping:
            rw.cancel(job)
    return [
        Figure(NAME, f"SubmitJob beside {watches} watches, p99", percentile(beside, 0.99), "ms", LATENCY),
        Figure(NAME, f"SubmitJob beside {watches} watches, p50", percentile(beside, 0.5), "ms"),
        Figure(NAME, "SubmitJob without watches, p99", percentile(alone, 0.99), "ms"),
        Figure(NAME, "SubmitJob without watches, p50", percentile(alone, 0.5), "ms"),
        Figure(NAME, "memory of an open watch", each, "KiB"),
    ]


def job_of(setting: Setting, submit: Call) -> str:
    """Submit a job; its id."""
    return jobs_pb2.SubmitJobResponse.FromString(setting.load.one(submit)).job.id


def wait_until_idle(rw: runward.SyncClient) -> None:
    """Wait until nothing of the plugin waits or runs. Raises OverloadError."""
    end = time.monotonic() + LONGEST_DRAIN_SECONDS
    while (now := rw.plugin(PLUGIN).metrics).queued or now.in_flight:
        if time.monotonic() > end:
            raise OverloadError(f"{now.queued} jobs still wait after {LONGEST_DRAIN_SECONDS:.0f} s")
        time.sleep(0.1)
