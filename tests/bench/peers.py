"""Other systems for jobs, as `make bench-peers` installs them: how many jobs that do nothing each takes from the submit
to the last one's end, every job stored durably.

Each system is set up as its documentation recommends, with writes that are synced (huey `fsync`, Redis `appendfsync
always`, SQLite as it is) and two worker processes (DBOS: threads of its one process), started for its round alone, and
given its jobs by eight threads, one by one, for none of them has a call for several. Runward gets them in two ways: in
batches of 100, its call for many jobs at once, with eight of them in flight, and one by one with 64 in flight; it
answers each call once its jobs are stored. The targets are those of the batches, since whoever has thousands of jobs
submits them so; what it comes to one by one stands beside it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import calls
from tests.bench.child_program import LoadError
from tests.bench.figure import Figure, Target
from tests.bench.filling import wait_for
from tests.bench.rate import successes
from tests.bench.setting import settle
from tests.bench.statistics import ratios
from tests.programs.processes import die_with_parent
from tests.programs.server_process import ROOT, ServerProcess, plain_environment, uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.child_program import LoadProgram
    from tests.bench.setting import Setting

NAME = "peers"
JOBS = 2000
IN_FLIGHT = 64
RUNWARD = "Runward, in batches of 100"
ONE_BY_ONE = "Runward, one by one"
BATCH = 100
BATCHES_IN_FLIGHT = 8
PYTHON = ROOT / "build" / "peers" / "bin" / "python"
PROGRAMS = ROOT / "tests" / "bench" / "peer_programs"
NEEDS_REDIS = frozenset({"dramatiq", "celery"})
STOP_SECONDS = 15.0
RATIOS = {
    ("huey", "dramatiq"): Target(4, at_least=True),
    ("celery",): Target(10, at_least=True),
    ("dbos",): Target(20, at_least=True),
}
"""Of Runward's jobs a second to those of the best of these."""
TARGETS = tuple(RATIOS.values())


class PeerProgram:
    """One peer, its broker and its workers; use it with ``with``."""

    def __init__(self, name: str) -> None:
        """Run the jobs of a peer."""
        self._name = name
        self._folder = Path(tempfile.gettempdir())
        self._process: subprocess.Popen[str]

    def __enter__(self) -> PeerProgram:
        self._folder = Path(tempfile.mkdtemp(prefix="runward-peer-"))
        with uninterrupted(), (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(PYTHON), str(PROGRAMS / "peer.py"), f"{self._name}_jobs", str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=plain_environment(),
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, that takes no lock
            )
        try:
            self._read()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        with uninterrupted():
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, jobs: int) -> tuple[float, float]:
        """Run so many jobs; the seconds until all were stored, and until all had ended. Raises LoadError."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{jobs}\n")
        self._process.stdin.flush()
        stored, ended = self._read().split()
        return float(stored), float(ended)

    def _read(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise LoadError(f"{self._name} ended: {(self._folder / 'log').read_text(errors='replace')[-500:]}")
        return line


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure the peers that are installed. Raises LoadError, ServerError or JobsError."""
    return compared(setting, NAME, JOBS, setting.scale.job_rounds)


def compared(setting: Setting, name: str, jobs: int, rounds: int) -> Sequence[Figure]:
    """Have Runward and each peer run so many jobs in turns, for the measure of a name."""
    peers = [peer for group in RATIOS for peer in group if peer not in NEEDS_REDIS or shutil.which("redis-server")]
    if not PYTHON.exists():
        raise LoadError("no peer is installed; run 'make bench-peers'")
    works: dict[str, Callable[[], tuple[float, float]]] = {
        RUNWARD: lambda: run_jobs(setting.load, jobs, BATCH),
        ONE_BY_ONE: lambda: run_jobs(setting.load, jobs, 1),
    }
    works |= {peer: lambda peer=peer: run_peer(peer, jobs) for peer in peers}  # type: ignore[misc]
    stored: dict[str, list[float]] = {work: [] for work in works}
    ended: dict[str, list[float]] = {work: [] for work in works}
    for number in range(rounds):
        for work in works if number % 2 == 0 else reversed(works):
            setting.say(f"{jobs:,} jobs, {work}, round {number + 1} of {rounds}")
            seconds = works[work]()
            stored[work].append(jobs / seconds[0])
            ended[work].append(jobs / seconds[1])
    figures = []
    for group, target in RATIOS.items():
        if there := [peer for peer in group if peer in peers]:
            best = [max(of_round) for of_round in zip(*(ended[peer] for peer in there), strict=True)]
            figure = f"{RUNWARD} / {'best of ' if len(there) > 1 else ''}{' and '.join(there)}"
            figures.append(Figure.of_rounds(name, figure, ratios(ended[RUNWARD], best), "times", target))
            one_by_one = figure.replace(RUNWARD, ONE_BY_ONE)
            figures.append(Figure.of_rounds(name, one_by_one, ratios(ended[ONE_BY_ONE], best), "times"))
    for work in works:
        figures.append(Figure.of_rounds(name, f"{work}, submit to the end of {jobs:,} jobs", ended[work], "/s"))
        figures.append(Figure.of_rounds(name, f"{work}, stored meanwhile", stored[work], "/s"))
    return figures


def run_jobs(load: LoadProgram, jobs: int, batch: int) -> tuple[float, float]:
    """Have a new server run so many jobs, submitted in batches of a size or one by one; the seconds until all were
    stored, and until all had ended SUCCESS.
    """
    with ServerProcess(plugins=("Noop",)) as server:
        settle(server)
        submit = calls.submit(server.address)
        load.closed(submit, IN_FLIGHT, calls=IN_FLIGHT)
        wait_for(load, server.address, IN_FLIGHT)
        before, start = successes(load, server.address), time.perf_counter()
        if batch > 1:
            load.closed(calls.batch(server.address, "noop", batch), BATCHES_IN_FLIGHT, calls=jobs // batch)
        else:
            load.closed(submit, IN_FLIGHT, calls=jobs)
        stored = time.perf_counter() - start
        wait_for(load, server.address, before + jobs)
        ended = time.perf_counter() - start
        server.stop()
    return stored, ended


def run_peer(peer: str, jobs: int) -> tuple[float, float]:
    """Have a peer that is started for it run so many jobs. Raises LoadError."""
    with PeerProgram(peer) as program:
        return program.run(jobs)
