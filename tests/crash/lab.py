"""The lab: plays every life once to find its points, then one case for each of them, some at a time."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import shutil
import sys
import tempfile
import traceback
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runward_service.domain.governance_report import Attestation, GovernanceReport
from runward_service.governance import attestation
from runward_service.governance.installation import read_installation
from runward_service.runtime import host
from tests.crash.beside import run_case_beside
from tests.crash.case import CASE_SECONDS, Result, play, read_result, run_case, write_result
from tests.crash.lives import STARTS
from tests.crash.plays import submit
from tests.crash.point import Case, Kind, Point, Victim
from tests.crash.probe import Probe
from tests.crash.processes import adopt_orphans, fork, wait_for, wait_for_orphans
from tests.crash.scene import TARGETS, Scene
from tests.crash.world import World
from tests.samples.acting import WORLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.crash.life import Life

TRIES = 8
MEMORY = "/dev/shm"
SAMPLES = Path(__file__).resolve().parents[1] / "samples"


@dataclass
class Job:
    """A case that is to be run, or the playing of a life in which nobody is killed (no point)."""

    life: Life
    at: Point | None = None
    victim: Victim = Victim.SERVICE
    covers: tuple[Point, ...] = ()
    """The points that its kill stands for: where nothing passes between the end of one thing and the beginning of
    another, there is one moment after the first and before the second.
    """
    tries: int = 0

    @property
    def name(self) -> str:
        """The case as it is told."""
        return str(Case(self.life.name, self.at, self.victim)) if self.at else f"{self.life.name}, nobody killed"


def memory_folder() -> str | None:
    """A folder in memory, where there is one: SIGKILL takes nothing from the kernel, so it spares what fsync costs."""
    return MEMORY if os.access(MEMORY, os.W_OK) else None


def accept_loaded(*_: object) -> str:
    """The code is what it was."""
    return ""


def no_digests(*_: object) -> dict[str, str]:
    """It is not read again."""
    return {}


def jobs_for(life: Life, points: list[Point], known: set[Point]) -> Iterator[Job]:
    """The cases for those points of a trace that are not known yet, which they are then."""
    for point, following in zip(points, [*points[1:], None][: len(points)], strict=True):
        if point in known:
            continue
        known.add(point)
        same = following is not None and following not in known
        if same and (point.moment, following.moment) == ("after", "before") and following.victims == point.victims[:1]:  # type: ignore[union-attr]
            known.add(following)  # type: ignore[arg-type]
            yield Job(life, point, Victim.SERVICE, (point, following))  # type: ignore[arg-type]
            yield from (Job(life, point, victim, (point,)) for victim in point.victims[1:])
        else:
            yield from (Job(life, point, victim, (point,)) for victim in point.victims)


@dataclass
class Lab:
    """Runs cases in forked processes; this one has neither threads nor a loop, and has loaded all that they need."""

    jobs_at_once: int = 2
    keep: bool = False
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="crash-", dir=memory_folder())))
    every_restart: bool = False
    """Whether to start again after every kill, also on what is the same as after another."""
    beside: bool = False
    """Whether another process is there all the time and nothing is started again; the service alone is killed then."""
    kinds: frozenset[Kind] = frozenset(Kind)
    """The kinds of points to kill at."""
    _count: int = 0
    _judged: Path | None = None
    _waiting: deque[Job] = field(default_factory=deque)
    _templates: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sys.path.append(str(SAMPLES))
        importlib.import_module("acting")  # where the workers look for it
        adopt_orphans()
        gc.disable()
        if not self.every_restart:
            self._judged = self.folder / "judged"
            self._judged.mkdir()
        # Not part of this, and reading the code would take a third of a case's time.
        unchecked = read_installation(), GovernanceReport(Attestation.UNATTESTED, "its death alone is looked at")
        attestation.check_code = lambda: unchecked
        attestation.CodeAttestation.check_worker = accept_loaded  # type: ignore[method-assign]
        host.loaded_digests = no_digests  # type: ignore[attr-defined]
        self._warm_up()
        gc.collect()
        gc.freeze()  # else a collection in a forked process would copy all that was loaded

    def _warm_up(self) -> None:
        """Play a life here once, with real workers, so that what is loaded late is there before anything is forked."""
        os.environ["PYTHONPATH"] = str(SAMPLES)
        world = self._world()
        world.folder.mkdir()
        os.environ[WORLD] = str(world.folder)

        async def main() -> None:
            scene = Scene(world, Probe(world.trace, None, Victim.SERVICE), TARGETS)
            await scene.start()
            await submit(scene)
            await scene.stop()

        asyncio.run(main())

    def close(self) -> None:
        """Remove what the cases left."""
        if not self.keep:
            shutil.rmtree(self.folder)

    def enumerate(self, lives: Iterable[Life]) -> Iterator[tuple[Job, Result]]:
        """Every life, once, with nobody killed."""
        self._waiting = deque(Job(life) for life in lives)
        yield from self._run(lambda job, result: None)

    def explore(self, lives: Iterable[Life]) -> Iterator[tuple[Job, Result]]:
        """Every life, then a case for each of its points and victims; points that only show in a case are cases too."""
        self._waiting = deque(Job(life) for life in lives)
        known: dict[str, set[Point]] = {}

        def learn(job: Job, result: Result) -> None:
            if job.victim is Victim.SERVICE:  # the rest of a life whose worker was killed is another life
                seen = known.setdefault(job.life.name, set())
                found = jobs_for(job.life, [Point.parse(text) for text in result.points], seen)
                self._waiting += filter(self._wanted, found)

        yield from self._run(learn)

    def _wanted(self, job: Job) -> bool:
        assert job.at is not None
        return job.at.kind in self.kinds and not (self.beside and job.victim is not Victim.SERVICE)

    def run_cases(self, cases: Iterable[Case], lives: Iterable[Life]) -> Iterator[tuple[Job, Result]]:
        """Some cases by name."""
        by_name = {life.name: life for life in lives}
        self._waiting = deque(Job(by_name[case.life], case.point, case.victim, (case.point,)) for case in cases)
        yield from self._run(lambda job, result: None)

    @property
    def waiting(self) -> int:
        """How many cases are known and not begun."""
        return len(self._waiting)

    def _run(self, learn: Callable[[Job, Result], None]) -> Iterator[tuple[Job, Result]]:
        """Run what waits, and what ``learn`` adds to it. A point that was not reached is tried again a few times."""
        for job in list(self._waiting):
            self._template(job.life)
        running: dict[int, tuple[Job, World]] = {}
        while self._waiting or running:
            while self._waiting and len(running) < self.jobs_at_once:
                job = self._waiting.popleft()
                world = self._world()
                running[self._fork(job, world)] = job, world
            pid, _ = os.wait()
            job, world = running.pop(pid)
            result = read_result(world.folder / "result")
            if not self.keep or not result.problems:
                shutil.rmtree(world.folder, ignore_errors=True)
            learn(job, result)
            job.tries += 1
            if not result.reached and not result.problems and job.tries < TRIES:
                self._waiting.append(job)
            else:
                yield job, result

    def _world(self) -> World:
        self._count += 1
        return World(self.folder / str(self._count))

    def _fork(self, job: Job, world: World) -> int:
        template = self._template(job.life)
        if pid := os.fork():
            return pid
        try:
            write_result(self._result(job, world, template), world.folder / "result")
        except BaseException:  # noqa: BLE001 - told as a problem of the case
            write_result(Result(reached=False, problems=[traceback.format_exc()]), world.folder / "result")
        finally:
            os._exit(0)

    def _result(self, job: Job, world: World, template: Path | None) -> Result:
        if self.beside:
            return run_case_beside(job.life, job.at, world, template)
        return run_case(job.life, job.at, job.victim, world, template, self._judged)

    def _template(self, life: Life) -> Path | None:
        """The folder that a life begins with: what its legacy left, or what a service on a new folder left."""
        legacy = life.legacy or (None if life.from_start else STARTS)
        if legacy is None:
            return None
        if legacy.name not in self._templates:
            world = self._world()
            world.folder.mkdir()
            wait_for(fork(partial(play, legacy, None, Victim.SERVICE, world), world.folder / "log"), CASE_SECONDS)
            wait_for_orphans()
            world.trace.unlink(missing_ok=True)
            self._templates[legacy.name] = world.folder
        return self._templates[legacy.name]
