"""A case of two processes on one data folder, as those of ``runward serve --processes 2`` are: one is killed at a
point, and the other, which nobody starts again, brings everything to its end.
"""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from runward_service.execution import cache_eviction, neighbours, retention
from runward_service.governance.receipt_key_file import load
from runward_service.store.owner_lock import forget_unknown
from tests.crash.case import CASE_SECONDS, Result, broken_promises, copy_template, play, with_service
from tests.crash.invariants import broken_invariants
from tests.crash.life import NEVER_SECONDS
from tests.crash.point import Point, Victim
from tests.crash.probe import Probe, points_of
from tests.crash.processes import PAUSE_SECONDS, adopt_orphans, fork, wait_for, wait_for_orphans

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from tests.crash.life import Life
    from tests.crash.scene import Scene
    from tests.crash.world import World

POLL_SECONDS = 0.1
"""How often the other looks for the dead: often, for the case waits for it."""
SPARE_WORKERS = 3
"""For runs that the first process had to stop, or lost."""


def run_case_beside(life: Life, at: Point | None, world: World, template: Path | None) -> Result:
    """Run one in the folder of a world, which is new. Call in a process of its own, which is then done."""
    adopt_orphans()
    world.folder.mkdir()
    copy_template(template, world)
    log = world.folder / "log"
    other = fork(partial(attend, life, world), log)
    problems = []
    if not came_up(other, world):
        problems.append("the other process did not come up")
    status = wait_for(fork(partial(play, life, at, Victim.SERVICE, world), log), CASE_SECONDS)
    points = points_of(world.trace)
    reached = at is None or at in points
    if status != (-signal.SIGKILL if at is not None and reached else 0):
        problems.append(f"the process ended with {status}")
    world.tell_end()
    if (status := wait_for(other, CASE_SECONDS)) != 0:
        problems.append(f"the other process ended with {status}")
    problems += [f"process {pid} outlived both services" for pid in wait_for_orphans()]
    # As the next start does: one that had resigned, and died before it took its lock away, is nobody's neighbour.
    forget_unknown(world.data / "owners", ())
    problems += broken_invariants(world.data, load(world.receipt_key))
    problems += broken_promises(life, world, killed=at is not None, worker_killed=False)
    return Result(reached, problems, [str(point) for point in points], False, log.read_text() if problems else "")


def came_up(pid: int, world: World) -> bool:
    """Wait until the other process serves; whether it does."""
    while not world.attended.exists():
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


def attend(life: Life, world: World) -> None:
    """Be the other process: serve until the first is gone, then let all come to its end, and stop."""
    probe = Probe(world.folder / "trace of the other", None, Victim.SERVICE)
    neighbours.POLL_SECONDS = POLL_SECONDS
    retention.INTERVAL_SECONDS = cache_eviction.INTERVAL_SECONDS = NEVER_SECONDS

    async def attending(scene: Scene) -> None:
        await scene.start()
        world.attended.touch()
        await scene.until(lambda _: world.end_told, "the end of the first")
        world.open_gate()
        await scene.settle()
        await scene.until(lambda connection: alone(connection, world), "nothing is left of the first")
        await scene.stop()

    with_service(world, life, probe, attending, life.workers + SPARE_WORKERS)


def alone(connection: sqlite3.Connection, world: World) -> bool:
    """Whether one owner is known, and one can be woken."""
    known = connection.execute("SELECT count(*) FROM owner").fetchone()[0]
    return known == len(list((world.data / "owners").glob("*.sock"))) == 1
