"""An epoch: a new data folder, load, one disaster after another, then quiet, and a look at what is left."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.disasters import Disasters
from tests.chaos.disk import SmallDisk
from tests.chaos.house import House, HouseError
from tests.chaos.knobs import Knobs
from tests.chaos.ledger import Ledger
from tests.chaos.load import PLUGINS, Load

if TYPE_CHECKING:
    from pathlib import Path

DISK_BYTES = 192 * 1024 * 1024
LONGEST_PAUSE_SECONDS = 2.0
SETTLE_SECONDS = 90.0
LOOK_SECONDS = 0.1


@dataclass
class Account:
    """What an epoch came to."""

    disasters: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, other: Account) -> None:
        """Add another epoch's."""
        self.disasters += other.disasters
        self.counts += other.counts
        self.problems += other.problems


async def run_epoch(folder: Path, seed: str, seconds: float, servers: int, *, own_disk: bool) -> Account:
    """Run one in a new folder; everything of it that runs has ended when this returns."""
    rng = random.Random(seed)
    account, ledger = Account(), Ledger()
    data = folder / "data"
    data.mkdir(parents=True)
    disk = SmallDisk(data, DISK_BYTES) if own_disk else None
    knobs = Knobs(folder / "knobs")
    house = House(data, folder / "server.log", folder / "knobs", PLUGINS, servers)
    try:
        await house.start()
        load = Load([server.address for server in house.servers], ledger, random.Random(seed + " load"))
        load.start()
        await strike(Disasters(house, knobs, disk, rng), rng, seconds, account)
        await load.stop()
        await settle(data)
        await house.stop()
        account.problems += ledger.check(data)
    except (HouseError, TimeoutError) as error:
        account.problems.append(f"{type(error).__name__}: {error}")
    finally:
        await house.destroy()
        account.problems += ledger.problems if not account.problems else []
        account.counts = ledger.counts + stored_counts(data)
        if disk is not None:
            disk.free()
            if account.problems:
                shutil.copytree(data, folder / "data after", ignore=shutil.ignore_patterns("*.sock"))
            disk.close()
    return account


async def strike(disasters: Disasters, rng: random.Random, seconds: float, account: Account) -> None:
    """One disaster after another, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(LONGEST_PAUSE_SECONDS * rng.random())
        kind = rng.choice(sorted(disasters.kinds))
        account.disasters[kind] += 1
        await disasters.kinds[kind]()


async def settle(data: Path) -> None:
    """Wait until every job has ended. Raises HouseError."""
    end = time.monotonic() + SETTLE_SECONDS
    while left := unfinished(data):
        if time.monotonic() > end:
            raise HouseError(f"jobs that do not end: {left[:5]}")
        await asyncio.sleep(LOOK_SECONDS)


def unfinished(data: Path) -> list[tuple[str, str, int, str]]:
    """The jobs that have not ended, as (id, plugin, status, owner)."""
    with closing(sqlite3.connect(data / "runward.db")) as connection:
        return connection.execute("SELECT id, plugin, status, owner FROM job WHERE status < 3").fetchall()


def stored_counts(data: Path) -> Counter[str]:
    """How many jobs and events there are."""
    if not (data / "runward.db").exists():
        return Counter()
    sql = """SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM job_event),
                    (SELECT count(*) FROM job WHERE attempt > 1), (SELECT count(*) FROM job WHERE status = 3)"""
    with closing(sqlite3.connect(data / "runward.db")) as connection:
        row = connection.execute(sql).fetchone()
    return Counter(dict(zip(("jobs", "events", "jobs with further attempts", "jobs SUCCESS"), row, strict=True)))
