"""What history costs: a server with many jobs in its store, beside one that is started anew for each round, with 1,000.

The jobs are no-op jobs that the server itself was given in batches and ran, each with an image of its own. The speed of
a rate is its ratio, that of a time the inverse one: below 1, the full store is slower. Last, servers are started on a
store whose jobs all wait.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runward.v1 import jobs_pb2
from tests.bench import calls
from tests.bench.figure import Figure, Target
from tests.bench.filling import BATCH, BATCHES_IN_FLIGHT, fill, wait_for
from tests.bench.jobs import JobsError
from tests.bench.memory import of_service
from tests.bench.rate import successes
from tests.bench.setting import settle
from tests.bench.statistics import median, percentile, ratios
from tests.bench.watching import watch_jobs
from tests.programs.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.bench.child_program import Call, LoadProgram
    from tests.bench.setting import Setting

NAME = "growth"
FEW = 1000
IN_FLIGHT = 64
CALLS = 1000
"""Of a rate: so few that the small store stays one."""
READS = 200
WATCHERS = 20
CHANGES = 60
CHANGES_A_JOB = 3
PACE_SECONDS = 0.02
MEGABYTE = 1e6
TARGET = Target(0.9, at_least=True)
MEMORY = Target(150)
MEMORY_RATIO = Target(1.1)
READY = Target(3)
TARGETS = (TARGET, MEMORY, MEMORY_RATIO)
"""Of what is compared."""
NAP_SECONDS = 1.0
"""So long does a stop wait for what runs."""


@dataclass(frozen=True, slots=True)
class Store:
    """A server, and the first job in its store."""

    server: ServerProcess
    load: LoadProgram
    first_job: str

    @classmethod
    def of(cls, server: ServerProcess, load: LoadProgram, jobs: int, say: Callable[[str], None]) -> Store:
        """Fill the store of a new server. Raises LoadError or JobsError."""
        answer = load.one(calls.submit(server.address))
        fill(load, server.address, jobs, say)
        settle(server)
        return cls(server, load, jobs_pb2.SubmitJobResponse.FromString(answer).job.id)

    def analyze(self) -> float:
        """Make calls of Analyze; how many a second."""
        return CALLS / float(self.load.closed(calls.analyze(self.server.address), IN_FLIGHT, calls=CALLS)["seconds"])

    def submit(self) -> float:
        """Submit jobs and wait for all of them; how many a second."""
        before, start = successes(self.load, self.server.address), time.perf_counter()
        self.load.closed(calls.submit(self.server.address), IN_FLIGHT, calls=CALLS)
        wait_for(self.load, self.server.address, before + CALLS)
        return CALLS / (time.perf_counter() - start)

    def get(self) -> float:
        """Get the oldest job, again and again; the p50 in milliseconds."""
        return self._p50(calls.get_job(self.server.address, self.first_job))

    def list_newest(self) -> float:
        """List the newest page; the p50 in milliseconds."""
        return self._p50(calls.list_jobs(self.server.address))

    def list_failed(self) -> float:
        """List the failed jobs, of which there are none; the p50 in milliseconds."""
        return self._p50(calls.list_jobs(self.server.address, jobs_pb2.JOB_STATUS_FAILED))

    def watch(self) -> float:
        """Watch all jobs while some are submitted; the p50 of the milliseconds from a change to its receipt."""
        address = self.server.address
        submits = [calls.submit(address)] * (CHANGES // CHANGES_A_JOB)
        found = self.load.watch(
            [watch_jobs(address)], submits, self.server.pid, streams=WATCHERS, messages=CHANGES, pause=PACE_SECONDS
        )
        return percentile(found["delays"], 0.5)

    def _p50(self, call: Call) -> float:
        return percentile(self.load.closed(call, 1, calls=READS)["latencies"], 0.5)


@dataclass(slots=True)
class Kind:
    """A thing that is measured of both stores: its unit, and what the rounds gave."""

    name: str
    unit: str
    measure: Callable[[Store], float]
    few: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)

    def round(self, few: Store, many: Store, *, few_first: bool) -> None:
        """Measure one after the other."""
        for store in (few, many) if few_first else (many, few):
            (self.few if store is few else self.many).append(self.measure(store))

    def figures(self, measure: str, jobs: int) -> list[Figure]:
        """Give the speed at so many jobs as a ratio to that at FEW, and both by themselves."""
        speed = ratios(self.many, self.few) if self.unit == "/s" else ratios(self.few, self.many)
        return [
            Figure.of_rounds(measure, f"{self.name}: speed at {jobs:,} jobs / {FEW:,}", speed, "", TARGET),
            Figure.of_rounds(measure, f"{self.name}, {FEW:,} jobs", self.few, self.unit),
            Figure.of_rounds(measure, f"{self.name}, {jobs:,} jobs", self.many, self.unit),
        ]


def kinds() -> list[Kind]:
    """Give all that is measured of both."""
    return [
        Kind(f"Analyze, {IN_FLIGHT} in flight", "/s", Store.analyze),
        Kind("submit to SUCCESS", "/s", Store.submit),
        Kind("GetJob of the oldest, p50", "ms", Store.get),
        Kind("newest page of ListJobs, p50", "ms", Store.list_newest),
        Kind("ListJobs of FAILED where none is, p50", "ms", Store.list_failed),
        Kind(f"change to delivery, {WATCHERS} watchers, p50", "ms", Store.watch),
    ]


def measure(setting: Setting) -> Sequence[Figure]:
    """Fill the server of the setting and measure it. Raises LoadError, ServerError or JobsError."""
    jobs = setting.scale.stored_jobs
    return [*compared(setting, NAME, jobs), *started(setting, jobs)]


def compared(setting: Setting, name: str, jobs: int) -> Iterable[Figure]:
    """Give the speeds and the memory of a server with so many jobs, for the measure of a name."""
    many = Store.of(setting.server, setting.load, jobs, setting.say)
    after_many, after_few = of_service(setting.server.pid) / MEGABYTE, []
    found = kinds()
    for number in range(setting.scale.rounds):
        setting.say(f"{jobs:,} jobs and {FEW:,}, round {number + 1} of {setting.scale.rounds}")
        with ServerProcess(plugins=("Noop",)) as server:
            few = Store.of(server, setting.load, FEW, lambda _: None)
            after_few.append(of_service(server.pid) / MEGABYTE)
            for kind in found:
                kind.round(few, many, few_first=number % 2 == 0)
            server.stop()
    yield from (figure for kind in found for figure in kind.figures(name, jobs))
    grown = after_many / median(after_few)
    yield Figure(name, f"memory after {jobs:,} jobs / {FEW:,}", grown, "", MEMORY_RATIO)
    yield Figure(name, f"memory after {jobs:,} jobs", after_many, "MB", MEMORY)
    yield Figure.of_rounds(name, f"memory after {FEW:,} jobs", after_few, "MB")


def started(setting: Setting, jobs: int) -> Iterable[Figure]:
    """Give how long a server takes to be ready whose store has so many jobs that wait."""
    load, times = setting.load, []
    bounds = ("--max-pending-jobs", str(2 * jobs), "--max-pending-jobs-per-plugin", str(2 * jobs))
    with ServerProcess(*bounds, plugins=("Nap",)) as server:
        setting.say(f"submitting {jobs:,} jobs that will wait")
        load.closed(
            calls.batch(server.address, "nap", BATCH, seconds=NAP_SECONDS), BATCHES_IN_FLIGHT, calls=jobs // BATCH
        )
        for number in range(setting.scale.starts):
            setting.say(f"{jobs:,} jobs wait, start {number + 1} of {setting.scale.starts}")
            server.restart()
            times.append(server.ready_seconds)
            if (waiting := queued(load, server.address)) < jobs - FEW:
                raise JobsError(f"{waiting} of {jobs} jobs wait")
        server.stop()
    yield Figure.of_rounds(NAME, f"start to ready, {jobs:,} jobs wait", times, "s", READY)


def queued(load: LoadProgram, address: str) -> int:
    """Tell how many jobs wait for the plugin that sleeps."""
    return calls.metrics(load.one(calls.get_plugin(address, "nap"))).queued
