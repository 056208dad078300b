"""One case: a life is played, a process of it killed at a point, the service started again, and all looked at."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sqlite3
import stat
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runward_service.domain.job import JobMode
from runward_service.execution import cache_eviction, neighbours, retention, stored_queue
from runward_service.governance.receipt_key_file import load
from runward_service.runtime import vital_signs
from runward_service.store import kept_renewals, writer
from tests.crash.instruments import instrument, instrument_host
from tests.crash.invariants import broken_invariants, read_jobs
from tests.crash.life import NEVER_SECONDS, SUCCESS
from tests.crash.parked_workers import ParkedWorkers
from tests.crash.point import Point, Victim
from tests.crash.probe import Probe, points_of
from tests.crash.processes import adopt_orphans, fork, print_to, wait_for, wait_for_orphans
from tests.crash.scene import Scene
from tests.crash.state import digest_of
from tests.samples.acting import WORLD

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.crash.invariants import JobRow
    from tests.crash.life import Life
    from tests.crash.world import World

CASE_SECONDS = 180.0


@dataclass
class Result:
    """What became of a case."""

    reached: bool
    problems: list[str]
    points: list[str] = field(default_factory=list)
    started_again: bool = False
    """Whether what was left was started on; else the same had been before."""
    log: str = ""


def run_case(  # noqa: PLR0917 - the parts of a case
    life: Life, at: Point | None, victim: Victim, world: World, template: Path | None, judged: Path | None
) -> Result:
    """Run one in the folder of a world, which is new. Call in a process of its own, which is then done.

    ``judged`` is a folder in which states are marked from which a start went well; none is made from those again.
    """
    adopt_orphans()
    world.folder.mkdir()
    copy_template(template, world)
    log = world.folder / "log"
    problems = []
    status = wait_for(fork(partial(play, life, at, victim, world), log), CASE_SECONDS)
    killed = at is not None and victim is Victim.SERVICE
    points = points_of(world.trace)
    reached = at is None or at in points
    if status is None:
        problems.append("it got stuck before anything was looked at")
    elif status != (-signal.SIGKILL if killed and reached else 0):
        problems.append(f"the process ended with {status}")
    problems += [f"process {pid} outlived the service" for pid in wait_for_orphans()]
    mark = judged / f"{life.name} {digest_of(world)}" if judged and killed else None
    if mark is not None and mark.exists() and not problems:
        return Result(reached, problems, [str(point) for point in points])
    if status != 0 or life.to_stop:
        print_to(log)
        survive(life, world)
        problems += [f"process {pid} outlived the next service" for pid in wait_for_orphans()]
    if world.database.exists():
        problems += broken_invariants(world.data, load(world.receipt_key), some_deleted=bool(life.removes))
        problems += broken_promises(life, world, killed=killed, worker_killed=at is not None and not killed)
    if mark is not None and not problems:
        mark.touch()
    return Result(reached, problems, [str(point) for point in points], True, log.read_text() if problems else "")


def copy_template(template: Path | None, world: World) -> None:
    """Put what a life begins with into its world, which is there."""
    if template is not None:
        shutil.copytree(template, world.folder, copy_function=copy_node, dirs_exist_ok=True)


def copy_node(source: str, target: str) -> None:
    """Copy a file; of a socket, which a dead process left, the name."""
    if stat.S_ISSOCK(Path(source).stat().st_mode):
        os.mknod(target, stat.S_IFSOCK | 0o600)
    else:
        shutil.copy2(source, target)


def play(life: Life, at: Point | None, victim: Victim, world: World) -> None:
    """Play a life to its end, or to the point."""
    probe = Probe(world.trace, at, victim)

    async def playing(scene: Scene) -> None:
        probe.armed = life.from_start
        await scene.start()
        if life.prepare is not None:
            await life.prepare(scene)
            await scene.quiet()
        probe.armed = True
        await life.play(scene)
        await scene.quiet()
        if life.abandoned:
            os.kill(os.getpid(), signal.SIGKILL)
        probe.armed = life.to_stop
        if not life.to_stop:
            world.open_gate()
            await scene.settle()
        await scene.stop()

    if life.defer_seconds is not None:
        writer.DEFER_SECONDS = life.defer_seconds
    vital_signs.PING_SECONDS = life.ping_seconds
    retention.INTERVAL_SECONDS = cache_eviction.INTERVAL_SECONDS = NEVER_SECONDS
    kept_renewals.PAUSE_SECONDS = 0.0  # so that they belong to the life that they follow from
    stored_queue.SYNC_SECONDS = neighbours.POLL_SECONDS = NEVER_SECONDS
    with_service(world, life, probe, playing, life.workers + 2 * (victim is not Victim.SERVICE))


def survive(life: Life, world: World) -> None:
    """Start again on what is left, let everything come to its end, stop."""
    world.open_gate()
    probe = Probe(world.folder / "trace of the next", None, Victim.SERVICE)

    async def surviving(scene: Scene) -> None:
        await scene.start()
        for plugin in await scene.service.reader.disabled_plugins():
            await scene.service.catalog.enable(plugin)
        await scene.settle()
        await scene.stop()

    with_service(world, life, probe, surviving, life.workers)


def with_service(
    world: World, life: Life, probe: Probe, part: Callable[[Scene], Awaitable[None]], workers: int
) -> None:
    """Play one process's part."""
    os.environ[WORLD] = str(world.folder)
    logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s %(name)s: %(message)s", force=True)
    parked = ParkedWorkers(workers, partial(instrument_host, probe))
    instrument(probe, world.data, parked)

    async def main() -> None:
        await part(Scene(world, probe, life.plugins))

    asyncio.run(main())
    parked.dismiss()


def broken_promises(life: Life, world: World, *, killed: bool, worker_killed: bool) -> list[str]:
    """What was acknowledged and is not so, jobs that did not end as the life says, runs that were made twice."""
    with closing(sqlite3.connect(world.database)) as connection:
        jobs = read_jobs(connection)
    by_id = {job.id: job for job in jobs}
    found = []
    for told in world.acknowledgements():
        job = by_id.get(told.job_id)
        if job is None:
            if told.name not in life.removes:
                found.append(f"{told.name} was acknowledged and is gone")
        elif told.status >= 3 and (told.status, told.revision, told.reason) != (job.status, job.revision, job.reason):
            found.append(f"{told.name} was told to have ended otherwise: {told}, {job}")
    for job in jobs:
        allowed = {life.ends[job.name]}
        allowed |= set(life.cut_ends.get(job.name, ())) if killed or life.legacy else set()
        allowed |= set(life.lost_ends.get(job.name, ())) if worker_killed else set()
        if (job.reason or SUCCESS) not in allowed:
            found.append(f"{job.name} ended {job.reason or SUCCESS}, allowed is {sorted(allowed)}")
    names = {job.name for job in jobs}
    if not killed and (absent := set(life.ends) - names - set(life.removes)):
        found.append(f"{sorted(absent)} were never stored")
    if len(jobs) > len(names) + life.twins:
        found.append(f"a job is there twice: {[job.name for job in jobs]}")
    if left := names & set(life.removes if not killed else world.erased()):
        found.append(f"{sorted(left)} were removed and are there")
    if life.removes:
        found += forgotten_files(world)
    return found + wrong_runs(world, by_id)


def forgotten_files(world: World) -> list[str]:
    """Images' files that no job has any more."""
    with closing(sqlite3.connect(world.database)) as connection:
        named = {digest.removeprefix("sha256:") for (digest,) in connection.execute("SELECT digest FROM image")}
    images = world.data / "images"
    return [f"{path.name} is nobody's" for path in images.rglob("*") if path.is_file() and path.name not in named]


def wrong_runs(world: World, jobs: dict[str, JobRow]) -> list[str]:
    """Runs of one attempt that were begun twice, or of an attempt that the job never had."""
    runs = world.runs()
    found = [
        f"attempt {attempt} of {job_id} was run twice"
        for job_id, attempt in set(runs)
        if runs.count((job_id, attempt)) > 1
    ]
    return found + [
        f"attempt {attempt} of {job_id} was run, the job says {jobs[job_id].attempt}"
        for job_id, attempt in runs
        # The start of a caller's job is written with its end, or a few milliseconds late.
        if job_id in jobs and attempt > jobs[job_id].attempt + int(jobs[job_id].mode == JobMode.SYNC)
    ]


def write_result(result: Result, path: Path) -> None:
    """Hand a result to the process that asked for it."""
    path.write_text(json.dumps(asdict(result)))


def read_result(path: Path) -> Result:
    """The result that write_result wrote; one that tells so where there is none."""
    with suppress(OSError, ValueError):
        return Result(**json.loads(path.read_text()))
    return Result(reached=False, problems=["the case itself ended without a result"])
