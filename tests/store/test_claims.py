"""Claims: callers take turns, priority and age within a turn, and the count of what waits is always right."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.envelope import ErrorEnvelope
from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import JobMode
from runward_service.domain.outcome import Outcome
from runward_service.store.database import Database
from runward_service.store.turns import OLDEST_FIRST_ROUND, Turns
from tests.store.jobs import SIGNER, new_job

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.store.job_store import SqliteJobStore
    from tests.store.held_writer import HeldWriter

PLUGIN = "plugin_0"
COUNTED = """
SELECT plugin, job.tenant, principal, count(*), sum(size_bytes) FROM job JOIN image ON image.seq = image_seq
WHERE claimable = 1 GROUP BY plugin, job.tenant, principal ORDER BY plugin, job.tenant, principal
"""


def waiting(principal: str, number: int = 0, **fields: Any) -> Job:
    """A job that waits to be claimed."""
    fields = {"mode": JobMode.ASYNC, "owner": "", "plugin": PLUGIN} | fields
    return new_job(number, principal=principal, **fields)


async def claimed(store: SqliteJobStore, limit: int = 1, plugin: str = PLUGIN) -> list[Job]:
    """What a claim takes."""
    return await store.claim_jobs(plugin, limit)


async def test_callers_take_turns(store: SqliteJobStore) -> None:
    """One caller's backlog does not hold another's few jobs up: each has its turn, also in another tenant."""
    backlog = [waiting("busy") for _ in range(200)]
    await store.create_jobs([*backlog, waiting("a"), waiting("z"), waiting("busy", tenant="other"), waiting("z")])
    callers = [(job.tenant, job.principal) for _ in range(8) for job in await claimed(store)]
    first_round = [("default", "a"), ("default", "busy"), ("default", "z"), ("other", "busy")]
    assert callers == [*first_round, ("default", "busy"), ("default", "z"), ("default", "busy"), ("default", "busy")]


async def test_a_newcomer_waits_for_one_turn_of_each(store: SqliteJobStore) -> None:
    """Who comes late is next but for those whose turn was before, however long they have waited."""
    await store.create_jobs([waiting(name) for name in "bdf" for _ in range(50)])
    assert [job.principal for _ in range(4) for job in await claimed(store)] == ["b", "d", "f", "b"]
    await store.create_jobs([waiting("c")])
    assert [job.principal for job in await claimed(store)] == ["c"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_several_places_are_shared_out(store: SqliteJobStore, limit: int) -> None:
    """A claim of several gives each caller as many, as long as it has jobs; what one lacks goes to the others."""
    await store.create_jobs([waiting(name) for name, count in (("a", 2), ("b", 9), ("c", 9)) for _ in range(count)])
    jobs = await claimed(store, limit)
    counts = {name: sum(job.principal == name for job in jobs) for name in "abc"}
    expected = {1: (1, 0, 0), 2: (1, 1, 0), 3: (1, 1, 1), 7: (2, 3, 2), 100: (2, 9, 9)}[limit]
    assert tuple(counts.values()) == expected
    assert {(job.status.name, job.owner, job.attempt) for job in jobs} == {("RUNNING", "me", 1)}


async def test_priority_and_now_and_then_the_oldest(store: SqliteJobStore) -> None:
    """The highest priority first and the oldest among equals; the tenth place goes to the oldest, so that a job of the
    lowest priority runs although others keep coming.
    """
    old = [waiting("p", number, priority=-1000) for number in range(3)]
    high = [waiting("p", number, priority=number % 5) for number in range(60)]
    await store.create_jobs([*old, *high])
    places = [job.id for _ in range(33) for job in await claimed(store)]
    assert [places.index(job.id) for job in old] == [OLDEST_FIRST_ROUND * number - 1 for number in (1, 2, 3)]
    by_priority = sorted(high, key=lambda job: -job.priority)
    assert [place for place in places if place not in {job.id for job in old}] == [job.id for job in by_priority[:30]]


async def test_the_oldest_of_a_claim_of_many(store: SqliteJobStore) -> None:
    """In one claim of twenty, two are the oldest and no job is taken twice."""
    await store.create_jobs([waiting("p", number, priority=number) for number in range(40)])
    assert sorted(job.priority for job in await claimed(store, 20)) == [0, 1, *range(22, 40)]


def test_turns_of_very_many_callers() -> None:
    """Over whole rounds every caller gets the same, those of its oldest included."""
    turns, names = Turns(), [("t", f"{number:04}") for number in range(700)]
    given = {name: [0, 0] for name in names}
    for _ in range(100 * OLDEST_FIRST_ROUND):
        after = [name for name in names if name > turns.last][:7]
        order = after + names[: 7 - len(after)]
        for name, share in turns.deal([(name, 1000) for name in order], 7).items():
            given[name][0] += share.by_priority
            given[name][1] += share.by_age
    assert {tuple(counts) for counts in given.values()} == {(9, 1)}


async def test_what_waits_is_counted(writer: HeldWriter, store: SqliteJobStore) -> None:
    """Through a history of all that can happen to waiting jobs, the counts are those of the rows."""
    dice = random.Random(7)
    pending: list[Job] = []
    for step in range(150):
        match dice.randrange(5):
            case 0 | 1:
                names, plugins = dice.choice("abc"), f"plugin_{dice.randrange(3)}"
                jobs = [waiting(names, dice.randrange(9), plugin=plugins) for _ in range(dice.randrange(1, 5))]
                await store.create_jobs(jobs)
                pending += jobs
            case 2:
                taken = await claimed(store, dice.randrange(1, 6), f"plugin_{dice.randrange(3)}")
                gone = {job.id for job in taken}
                pending = [job for job in pending if job.id not in gone]
            case 3 if pending:
                job = pending.pop(dice.randrange(len(pending)))
                error = ErrorEnvelope(ErrorReason.CANCELLED, "Cancelled.", {}, job.plugin, 400)
                ending = Outcome(job.id, 0, job.plugin, end_time_us=400, duration_us=0, ran=False, envelope=error)
                assert await store.end_unrun_job(job, SIGNER.signed(ending, job))
            case 4 if step % 3 == 0:
                await store.release_drained()
        rows = writer.rows("SELECT * FROM queued ORDER BY plugin, tenant, principal")
        assert rows == writer.rows(COUNTED)
    assert writer.rows("SELECT count(*) FROM queued") != [(0,)]


def test_a_database_of_the_schema_before_is_counted(tmp_path: Path) -> None:
    """The migration counts what waits already."""
    fixture = Path(__file__).parent / "schemas" / "0002.sql"
    with closing(sqlite3.connect(tmp_path / "runward.db")) as connection:
        connection.executescript(fixture.read_text())
    Database(tmp_path).prepare()
    with closing(sqlite3.connect(tmp_path / "runward.db")) as connection:
        found = connection.execute("SELECT * FROM queued ORDER BY plugin, tenant, principal").fetchall()
        assert found == connection.execute(COUNTED).fetchall()
        assert sum(row[3] for row in found) == 2
