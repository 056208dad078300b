"""Group commit: what waits shares a transaction, and shares nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.outcome import Outcome
from runward_service.domain.recent_peak import RecentPeak
from runward_service.store.batch import Transaction, run_batch
from runward_service.store.database import Database
from runward_service.store.writer import CROWD, MAX_BATCH, enough_for
from tests.harness.service import refusal
from tests.store.held_writer import disable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.held_writer import HeldWriter

NAMES = "SELECT plugin FROM disabled_plugin ORDER BY rowid"


def fail(_transaction: Transaction) -> None:
    """An operation with a fault."""
    raise LookupError("a fault")


def names(count: int) -> list[str]:
    """Distinct names."""
    return [f"plugin-{number}" for number in range(count)]


async def test_what_waits_is_one_transaction(writer: HeldWriter) -> None:
    """A hundred operations that wait together cost one commit, in order; another connection reads them all."""
    async with writer.held():
        before = writer.commits()
        futures = [writer.submit(disable(name)) for name in names(100)]
    assert await asyncio.gather(*futures) == [1] * 100
    assert writer.commits() == before + 1
    assert writer.rows(NAMES) == [(name,) for name in names(100)]


async def test_more_than_a_batch(writer: HeldWriter) -> None:
    """Past the largest batch it takes one transaction more, not one an operation."""
    async with writer.held():
        before = writer.commits()
        futures = [writer.submit(disable(name)) for name in names(MAX_BATCH + 1)]
    await asyncio.gather(*futures)
    assert writer.commits() == before + 2
    assert len(writer.rows(NAMES)) == MAX_BATCH + 1


async def test_a_crowd_shares_commits(writer: HeldWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """With many jobs in flight the writer waits for more operations, until as many are there as those jobs make."""
    monkeypatch.setattr("runward_service.store.writer.GATHER_SECONDS", 60.0)
    before = writer.commits()
    writer.in_flight = lambda: CROWD
    others = names(enough_for(CROWD) - 1)
    await asyncio.gather(writer.submit(disable("first")), *(writer.submit(disable(name)) for name in others))
    assert writer.commits() == before + 1


async def test_a_crowd_that_is_too_few_waits_for_a_moment(writer: HeldWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fewer come than those jobs make, what is there is written after the time for gathering, in one commit; so
    is what came while a batch was written.
    """
    monkeypatch.setattr("runward_service.store.writer.GATHER_SECONDS", 0.01)
    writer.in_flight = lambda: CROWD
    before = writer.commits()
    await asyncio.gather(*(writer.submit(disable(name)) for name in ("first", "second")))
    assert writer.commits() == before + 1
    async with writer.held():
        before = writer.commits()
        later = [writer.submit(disable(name)) for name in ("third", "fourth")]
    await asyncio.gather(*later)
    assert writer.commits() == before + 1
    assert writer.rows(NAMES) == [("first",), ("second",), ("third",), ("fourth",)]


async def test_a_crowd_between_two_batches_is_still_one(writer: HeldWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a batch has ended and its jobs are answered, what the next calls write shares a commit all the same."""
    monkeypatch.setattr("runward_service.store.writer.GATHER_SECONDS", 60.0)
    writer._crowd = RecentPeak(60.0)
    writer.in_flight = lambda: CROWD
    await asyncio.gather(*(writer.submit(disable(name)) for name in names(enough_for(CROWD))))
    before = writer.commits()
    writer.in_flight = lambda: 1
    await asyncio.gather(*(writer.submit(disable(f"next-{name}")) for name in names(enough_for(CROWD))))
    assert writer.commits() == before + 1


async def test_what_a_large_batch_leaves_is_written(writer: HeldWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than fit one batch, the rest is too little for another, and is written all the same."""
    monkeypatch.setattr("runward_service.store.writer.GATHER_SECONDS", 0.01)
    writer.in_flight = lambda: CROWD
    async with writer.held():
        futures = [writer.submit(disable(name)) for name in names(MAX_BATCH)]
        futures.append(writer.submit(disable("deferred"), deferred=True))
        writer._wake.get_nowait()  # as where the thread awoke after all of them had come
        writer._signalled = False
    assert await asyncio.gather(*futures) == [1] * (MAX_BATCH + 1)


async def test_the_last_of_a_batch(writer: HeldWriter) -> None:
    """What is to be the last of its batch comes after what was handed over later; deferred, it is in the batch that is
    about to be written, or wakes the writer where there is none.
    """
    async with writer.held():
        before = writer.commits()
        futures = [writer.submit(disable(name), last=name == "b") for name in "abc"]
    await asyncio.gather(*futures)
    assert writer.commits() == before + 1
    await asyncio.gather(writer.submit(disable("e")), writer.submit(disable("d"), last=True, deferred=True))
    assert writer.commits() == before + 2
    await writer.submit(disable("f"), last=True, deferred=True)
    assert writer.rows(NAMES) == [(name,) for name in "acbedf"]


async def test_operations_in_company_share_commits(writer: HeldWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """While many that somebody waits for are on their way to the disk, the next are written once half as many wait."""
    monkeypatch.setattr("runward_service.store.writer.DEFER_SECONDS", 60.0)
    writer._company = RecentPeak(60.0)
    await asyncio.gather(*(writer.submit(disable(name)) for name in names(CROWD)))
    before = writer.commits()
    first = [writer.submit(disable("first"))]
    await asyncio.sleep(0)
    await asyncio.gather(*first, *(writer.submit(disable(f"next-{name}")) for name in names(CROWD // 2 - 1)))
    assert writer.commits() == before + 1


async def test_done_means_on_disk(writer: HeldWriter) -> None:
    """When an operation's future is done, its row is there for every other connection."""
    for name in names(20):
        await writer.submit(disable(name))
        assert writer.rows("SELECT count(*) FROM disabled_plugin WHERE plugin = ?", name) == [(1,)]


async def test_the_commit_survives_power_loss(writer: HeldWriter) -> None:
    """The writer's connection has the write-ahead log and a full sync at each commit, and checks foreign keys."""
    pragmas = {}
    for name in ("journal_mode", "synchronous", "foreign_keys"):
        pragmas[name] = await writer.submit(lambda tx, name=name: tx.execute(f"PRAGMA {name}").fetchone()[0])
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_one_that_raises_fails_alone(writer: HeldWriter) -> None:
    """The operation with a fault gets its own exception and is undone; its neighbours are written once."""

    def half(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO disabled_plugin VALUES ('half', '', 1)")
        transaction.changed.append("job of the half")
        fail(transaction)

    async with writer.held():
        before = writer.commits()
        operations = [disable("first"), half, disable("second"), disable("first"), disable("third")]
        futures = [writer.submit(operation) for operation in operations]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, LookupError, int, sqlite3.IntegrityError, int]
    assert writer.rows(NAMES) == [("first",), ("second",), ("third",)]
    assert writer.commits() == before + 1


async def test_counters_of_one_that_fails_are_not_added(writer: HeldWriter) -> None:
    """Counters are added with the transaction, and those of an operation that is undone are not."""
    outcome = Outcome("job", 1, "tool", 5, 7, ran=True, result=b"")

    def count(transaction: Transaction) -> None:
        transaction.counters.add(outcome)

    def count_and_fail(transaction: Transaction) -> None:
        transaction.counters.add(outcome)
        fail(transaction)

    async with writer.held():
        futures = [writer.submit(operation) for operation in (count, count_and_fail, count)]
    await asyncio.gather(*futures, return_exceptions=True)
    columns = "success_count, error_count, run_count, total_duration"
    assert writer.rows(f"SELECT {columns} FROM plugin_counter") == [(2, 0, 2, 14)]
    assert writer.rows("SELECT sum(count) FROM plugin_duration") == [(2,)]


async def test_one_that_ends_the_transaction(writer: HeldWriter) -> None:
    """Where an error rolls everything back, the operations are tried singly: the neighbours are written, each once."""

    def break_off(transaction: Transaction) -> None:
        transaction.execute("ROLLBACK")
        fail(transaction)

    async with writer.held():
        futures = [writer.submit(operation) for operation in (disable("first"), break_off, disable("second"))]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, LookupError, int]
    assert writer.rows(NAMES) == [("first",), ("second",)]


def limit_pages(pages: int) -> Any:
    """An operation after which the database may not grow beyond a number of pages; 0: not beyond its size."""
    return lambda tx: tx.execute(f"PRAGMA max_page_count = {pages or 1}").fetchone()


async def test_a_full_disk_fails_only_what_needs_room(writer: HeldWriter) -> None:
    """SQLITE_FULL for one operation is STORE_UNAVAILABLE for it alone; once there is room again, it passes."""

    def big(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO disabled_plugin VALUES ('big', ?, 1)", ("x" * 500_000,))

    await writer.submit(limit_pages(0))
    async with writer.held():
        futures = [writer.submit(operation) for operation in (disable("first"), big, disable("second"))]
    first, full, second = await asyncio.gather(*futures, return_exceptions=True)
    assert (first, second) == (1, 1)
    assert isinstance(full, GovernedError)
    assert full.reason is ErrorReason.STORE_UNAVAILABLE
    assert isinstance(full.__cause__, sqlite3.OperationalError)
    assert "full" not in full.message
    assert writer.rows(NAMES) == [("first",), ("second",)]
    await writer.submit(limit_pages(1_000_000))
    await writer.submit(big)
    assert writer.rows(NAMES) == [("first",), ("second",), ("big",)]
    assert writer.rows("PRAGMA integrity_check") == [("ok",)]


async def test_a_deferred_write_shares_the_next_commit(writer: HeldWriter) -> None:
    """It comes before what was submitted after it, in one transaction; alone it is written by itself."""
    before = writer.commits()
    deferred = writer.submit(disable("deferred"), deferred=True)
    urgent = writer.submit(disable("urgent"))
    await urgent
    assert deferred.done()
    assert writer.commits() == before + 1
    assert writer.rows(NAMES) == [("deferred",), ("urgent",)]
    await writer.submit(disable("alone"), deferred=True)
    assert writer.rows(NAMES)[-1] == ("alone",)


async def test_a_caller_that_is_gone_does_not_stop_its_write(writer: HeldWriter) -> None:
    """An operation that was handed over is written, and the futures of its batch are not mixed up."""
    async with writer.held():
        gone = writer.submit(disable("gone"))
        stays = writer.submit(disable("stays"))
        gone.cancel()
    assert await stays == 1
    assert writer.rows(NAMES) == [("gone",), ("stays",)]


async def test_watchers_hear_once_a_commit(writer: HeldWriter) -> None:
    """The jobs that a commit changed are told together, after it; an operation that failed tells of nothing."""

    def change(job_id: str) -> Any:
        return lambda tx: tx.changed.append(job_id)

    async with writer.held():
        futures = [writer.submit(change(job_id)) for job_id in ("a", "b", "a")]
    await asyncio.gather(*futures)
    assert writer.changes == [["a", "b", "a"]]


async def test_closing_writes_what_waits(writer: HeldWriter) -> None:
    """Nothing that was submitted before the close is lost; afterwards every submit is refused."""
    futures = [writer.submit(disable(name), deferred=True) for name in names(5)]
    await writer.close()
    assert [future.result() for future in futures] == [1] * 5
    assert len(writer.rows(NAMES)) == 5
    with pytest.raises(GovernedError) as caught:
        writer.submit(disable("late"))
    assert caught.value.reason is ErrorReason.STORE_UNAVAILABLE


def test_revisions_rise_over_batches(tmp_path: Path) -> None:
    """Each transaction goes on where the last committed one ended; a failed one gives its revisions back or leaves a
    gap.
    """
    database = Database(tmp_path)
    database.prepare()

    def change(transaction: Transaction) -> int:
        revision = transaction.next_revision()
        transaction.execute(
            "INSERT INTO job_event (revision, job_seq, status, attempt, time, progress_message) "
            "VALUES (?, 1, 1, 0, 0, '')",
            (revision,),
        )
        return revision

    with closing(database.connect()) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        first, _ = run_batch(connection, [change, change])
        second, _ = run_batch(connection, [change, fail, change])
        third, _ = run_batch(connection, [change])
        stored = [row[0] for row in connection.execute("SELECT revision FROM job_event ORDER BY rowid")]
    given = [*first, second[0], second[2], *third]
    assert given == sorted(set(given))
    assert stored == given


async def test_readers_do_not_wait_for_the_writer(writer: HeldWriter) -> None:
    """While a transaction is open, another connection reads what was committed before it, at once."""
    await writer.submit(disable("before"))

    def write_and_hold(transaction: Transaction) -> list[tuple[str]]:
        transaction.execute("INSERT INTO disabled_plugin VALUES ('under way', '', 1)")
        return writer.rows(NAMES)

    assert await writer.submit(write_and_hold) == [("before",)]
    assert writer.rows(NAMES) == [("before",), ("under way",)]


async def test_a_submit_after_the_writer_failed(tmp_path: Path) -> None:
    """A writer that cannot open its database ends with that error, and every operation with STORE_UNAVAILABLE."""
    from tests.store.held_writer import HeldWriter as Writer  # noqa: PLC0415

    broken = Writer(Database(tmp_path / "nowhere"))
    broken.start()
    waiting = broken.submit(disable("waiting"))
    assert (await refusal(waiting)).reason is ErrorReason.STORE_UNAVAILABLE
    assert isinstance(broken.ended.exception(), sqlite3.OperationalError)


async def test_a_lock_that_another_process_keeps_is_waited_for_once(writer: HeldWriter) -> None:
    """Where the database stays locked, all operations of a batch are refused together, after one wait and not one
    each.
    """
    tries: list[str] = []
    with closing(sqlite3.connect(writer.database.path)) as other, closing(writer.database.connect()) as connection:
        connection.execute("PRAGMA busy_timeout = 0")
        connection.set_trace_callback(tries.append)
        other.execute("BEGIN IMMEDIATE")
        outcomes, changed = run_batch(connection, [disable(name) for name in names(5)])
    assert [outcome.reason for outcome in outcomes] == [ErrorReason.STORE_UNAVAILABLE] * 5
    assert (tries, changed) == (["BEGIN IMMEDIATE"], [])
