"""Compaction: what has expired leaves the log at its oldest end, and the floor tells up to where."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.retention_policy import RetentionPolicy
from runward_service.store.database import Database
from runward_service.store.job_reader import JobQuery, SqliteJobReader
from runward_service.store.job_removal import EVENTS_A_STEP, JOBS_A_STEP, SQL, Removed, SqliteJobRemoval
from tests.store.jobs import CHAIN, new_job
from tests.store.removals import FAR, create, finish, finished, left, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.held_writer import HeldWriter


@pytest.fixture
def removal(writer: HeldWriter, tmp_path: Path) -> SqliteJobRemoval:
    """Removal on the held writer."""
    return SqliteJobRemoval(writer, lambda digest: tmp_path / digest, CHAIN)


async def test_jobs_expire_by_age(writer: HeldWriter, removal: SqliteJobRemoval) -> None:
    """Jobs that ended longer ago than the retention go with events, tracebacks and images. Of the next one, which began
    as long ago, only events that were superseded go.
    """
    jobs = await finished(writer, 6)
    removed = await removal.compact_log(RetentionPolicy(100, 0), now=402)
    assert removed == Removed(jobs=3, events=11, images=3, image_bytes=3, more=False)
    assert left(writer) == [job.id for job in jobs[3:]]
    assert state(writer) == (11, 3)
    assert writer.rows("SELECT count(*), min(revision) FROM job_event") == [(7, 12)]
    assert writer.rows("SELECT count(*) FROM job_traceback") == [(1,)]
    assert writer.rows("SELECT count(*) FROM image") == [(3,)]
    assert writer.rows("SELECT sum(success_count + error_count) FROM plugin_counter") == [(6,)]


async def test_jobs_expire_by_count(writer: HeldWriter, removal: SqliteJobRemoval) -> None:
    """Of more jobs than are to be kept, those that ended first go, whatever their age; again nothing more goes."""
    jobs = [new_job(number) for number in range(6)]
    await create(writer, jobs)
    for job in reversed(jobs):
        await finish(writer, [job])
    removed = await removal.compact_log(RetentionPolicy(FAR, 4), now=1000)
    assert (removed.jobs, left(writer)) == (2, [job.id for job in jobs[:4]])
    floor, past = state(writer)
    assert past == 2
    assert await removal.compact_log(RetentionPolicy(FAR, 4), now=1000) == Removed()
    assert state(writer) == (floor, past)


async def test_what_has_not_ended_stays(writer: HeldWriter, removal: SqliteJobRemoval) -> None:
    """A PENDING job older than everything stays, with its event, below the floor, and can still run and end."""
    waiting = new_job(0)
    await create(writer, [waiting])
    await finished(writer, 3, first=1)
    await removal.compact_log(RetentionPolicy(0, 0), now=FAR)
    assert left(writer) == [waiting.id]
    assert writer.rows("SELECT revision FROM job_event") == [(1,)]
    assert state(writer) == (10, 3)
    await finish(writer, [waiting])
    await removal.compact_log(RetentionPolicy(0, 0), now=FAR)
    assert left(writer) == []
    assert writer.rows("SELECT count(*) FROM job_event") == [(0,)]


async def test_superseded_events_of_a_kept_job_go(writer: HeldWriter, removal: SqliteJobRemoval) -> None:
    """Of a job that outlives the log's retention the last event is left and no other."""
    (kept,) = await finished(writer, 1, retention_us=FAR)
    await finished(writer, 1, first=1)
    removed = await removal.compact_log(RetentionPolicy(0, 0), now=FAR)
    assert (removed.jobs, removed.events) == (1, 5)
    assert left(writer) == [kept.id]
    assert writer.rows("SELECT revision, status FROM job_event") == [(3, 3 + (kept.create_time_us == 100))]
    assert state(writer) == (6, 2)


async def test_a_retention_of_its_own(writer: HeldWriter, removal: SqliteJobRemoval) -> None:
    """A job is kept as long as it asked for, shorter or longer than others; out of turn it does not move the floor."""
    (longer,) = await finished(writer, 1, first=1, retention_us=5000)
    await finished(writer, 1, first=2, retention_us=10)
    (other,) = await finished(writer, 1, first=3)
    assert await removal.remove_expired(311) == Removed()
    assert (await removal.remove_expired(312)).jobs == 1
    assert left(writer) == [longer.id, other.id]
    assert state(writer) == (0, 1)
    assert (await removal.compact_log(RetentionPolicy(1000, 0), now=1303)).jobs == 1
    assert left(writer) == [longer.id]
    assert state(writer) == (9, 3)
    assert await removal.remove_expired(5300) == Removed()
    assert (await removal.remove_expired(5301)).jobs == 1
    assert (left(writer), state(writer)) == ([], (9, 3))


async def test_jobs_kept_longer_do_not_push_others_out(writer: HeldWriter, removal: SqliteJobRemoval) -> None:
    """Jobs with a longer retention, once past in the log, leave the number of other jobs that are kept untouched."""
    kept = await finished(writer, 5, retention_us=FAR)
    others = await finished(writer, 3, first=5)
    while (await removal.compact_log(RetentionPolicy(FAR, 3), now=1000)).more:
        pass
    assert left(writer) == [job.id for job in (*kept, *others)]
    more = await finished(writer, 1, first=8)
    await removal.compact_log(RetentionPolicy(FAR, 3), now=1000)
    assert left(writer) == [job.id for job in (*kept, *others[1:], *more)]


async def test_steps_are_bounded(writer: HeldWriter, removal: SqliteJobRemoval) -> None:
    """One step removes so many jobs at most and says that there is more; together they remove all."""
    await finished(writer, JOBS_A_STEP + 5)
    first = await removal.compact_log(RetentionPolicy(0, 0), now=FAR)
    assert (first.jobs, first.events, first.more) == (JOBS_A_STEP, 3 * JOBS_A_STEP, True)
    assert first.events <= EVENTS_A_STEP
    second = await removal.compact_log(RetentionPolicy(0, 0), now=FAR)
    assert (second.jobs, left(writer)) == (5, [])


async def test_an_image_stays_while_any_job_has_it(writer: HeldWriter, removal: SqliteJobRemoval) -> None:
    """Of two jobs with one image the first that goes leaves it; another tenant's row of it is another image."""
    first, second = new_job(7), new_job(14)
    assert first.image == second.image
    other = new_job(21, tenant="other")
    for job in (first, second, other):
        await create(writer, [job])
        await finish(writer, [job])
    assert (await removal.compact_log(RetentionPolicy(0, 2), now=0)).images == 0
    assert writer.rows("SELECT tenant FROM image ORDER BY tenant") == [("default",), ("other",)]
    assert (await removal.compact_log(RetentionPolicy(0, 1), now=0)).images == 1
    assert writer.rows("SELECT tenant FROM image") == [("other",)]


async def test_the_reader_tells_the_floor(writer: HeldWriter, removal: SqliteJobRemoval) -> None:
    """The reader gives the floor that the compaction stored in the same transaction; it never falls."""
    reader = SqliteJobReader(writer.database)
    await reader.open()
    try:
        assert await reader.log_floor() == 0
        await finished(writer, 2)
        await removal.compact_log(RetentionPolicy(0, 1), now=0)
        assert await reader.log_floor() == 3
        assert await reader.last_revision() == 6
    finally:
        await reader.close()
    with pytest.raises(sqlite3.IntegrityError, match="does not come back"):
        await writer.submit(lambda tx: tx.execute("UPDATE retention SET log_floor = 2"))


async def test_an_unfinished_job_cannot_be_removed(writer: HeldWriter) -> None:
    """The database itself refuses it, whatever a bug would ask."""
    await create(writer, [new_job(1)])
    with pytest.raises(sqlite3.IntegrityError, match="an unfinished job is not removed"):
        await writer.submit(lambda tx: tx.execute("DELETE FROM job"))


async def test_a_gap_is_passed_in_one_page(writer: HeldWriter) -> None:
    """Where a window of the log is empty, as after a restore, the page spans up to the next change."""
    await finished(writer, 1)
    await writer.submit(lambda tx: tx.execute("UPDATE retention SET last_revision = 1000000000"))
    await finished(writer, 1, first=1)
    reader = SqliteJobReader(writer.database)
    await reader.open()
    try:
        query = JobQuery("default")
        page = await reader.log_page(query, 0, 5000, 10)
        assert ([entry.revision for entry in page.entries], page.upto) == ([1, 2, 3], 5000)
        page = await reader.log_page(query, 5000, 10000, 10)
        assert (list(page.entries), page.upto) == ([], 1_000_000_000)
        page = await reader.log_page(query, 1_000_000_000, 1_000_000_003, 10)
        assert [entry.revision for entry in page.entries] == [1_000_000_001, 1_000_000_002, 1_000_000_003]
        assert (await reader.log_page(query, page.upto, page.upto + 7, 10)).upto == page.upto + 7
    finally:
        await reader.close()


@pytest.mark.parametrize(
    ("name", "marks", "index"),
    [
        ("log_head", 2, "INTEGER PRIMARY KEY (rowid>?)"),
        ("outlived_jobs", 2, "INDEX job_expire_time (<expr><?)"),
        ("delete_jobs", 1, "INTEGER PRIMARY KEY (rowid=?)"),
        ("count_events_of_jobs", 1, "INDEX job_event_job (job_seq=?)"),
        ("count_events_of_jobs", 1, "SEARCH job_event USING INTEGER PRIMARY KEY (rowid=?)"),
        ("delete_unused_images", 1, "INDEX job_image (image_seq=?)"),
        ("image_exists", 1, "(digest=?)"),
        ("mark_unused_files", 1, "(digest=?)"),
        ("job_to_delete", 1, "(id=?)"),
        ("deletion_of_job", 2, "(job_id=?)"),
    ],
)
def test_removal_costs_what_it_removes(tmp_path: Path, name: str, marks: int, index: str) -> None:
    """Each statement finds its rows through an index: none reads all jobs, events or images, however many there are."""
    database = Database(tmp_path)
    database.prepare()
    connection = database.connect()
    try:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", [None] * marks).fetchall()
    finally:
        connection.close()
    steps = [row[3] for row in plan]
    assert any(index in step for step in steps), steps
    tables = ("job", "event", "job_event", "image", "job_deletion")
    assert not [step for step in steps if step in {f"SCAN {table}" for table in tables}], steps
