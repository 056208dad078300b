"""Commits on the loop: only of little, only where the disk is quick, in order with those of the writer's thread."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.store.batch import stored_bytes
from runward_service.store.database import Database
from runward_service.store.lone_commits import (
    CREDIT_SECONDS,
    IN_A_ROW,
    PAY_TIMES,
    QUICK_SECONDS,
    SMALL_BYTES,
    SMALL_OPERATIONS,
    TRUST_SECONDS,
    LoneCommits,
)
from runward_service.store.loop_connection import LoopConnection
from runward_service.store.transitions import CreateJob, FinishJob
from tests.harness.service import turns_until
from tests.store.jobs import CHAIN, OWNER, SIGNER, new_job, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runward_service.store.batch import Transaction
    from tests.store.held_writer import HeldWriter

DISABLED = "SELECT plugin FROM disabled_plugin ORDER BY rowid"
QUICK, SLOW = QUICK_SECONDS / 2, QUICK_SECONDS * 2


class Clock:
    """A clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("runward_service.store.lone_commits.time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the commits on the loop."""
    return Clock(monkeypatch)


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[LoneCommits]:
    """Commits on the loop to a new store."""
    database = Database(tmp_path)
    database.prepare()
    connection = LoopConnection(database)
    connection.open()
    yield LoneCommits(connection)
    connection.close()


def disable(name: str, seconds: float = 0.0, clock: Clock | None = None) -> Callable[[Transaction], int]:
    """An operation that writes a name, and takes so long by the clock."""

    def operation(tx: Transaction) -> int:
        if clock is not None:
            clock.now += seconds
        return tx.execute("INSERT INTO disabled_plugin VALUES (?, '', 1)", (name,)).rowcount

    return operation


def committed(lone: LoneCommits, operations: list[Callable[[Transaction], Any]]) -> tuple[list[Any], list[str]] | None:
    """What a commit on the loop answers."""
    return lone.commit(operations, sum(map(stored_bytes, operations)))


def disabled(folder: Path) -> list[str]:
    """The names that are on disk for everyone."""
    with closing(sqlite3.connect(folder / "runward.db")) as connection:
        return [row[0] for row in connection.execute(DISABLED)]


def test_a_disk_is_trusted_after_a_quick_commit(lone: LoneCommits, clock: Clock, tmp_path: Path) -> None:
    """Not before the thread has made a small commit that was quick, nor when that is long ago."""
    assert committed(lone, [disable("a")]) is None
    lone.thread_committed(1, 4096, QUICK)
    assert committed(lone, [disable("b"), disable("c")]) == ([1, 1], [])
    assert disabled(tmp_path) == ["b", "c"]
    clock.now += TRUST_SECONDS
    assert committed(lone, [disable("d")]) is None
    lone.thread_committed(SMALL_OPERATIONS + 1, 4096, QUICK)
    assert committed(lone, [disable("d")]) is None
    lone.thread_committed(1, 4096, QUICK)
    assert committed(lone, [disable("e")]) is not None
    assert disabled(tmp_path) == ["b", "c", "e"]


def test_slow_commits_are_paid_for(lone: LoneCommits, clock: Clock, tmp_path: Path) -> None:
    """Some may be slow in a row; then the thread commits until the rest may be owed, whatever it says meanwhile."""
    lone.thread_committed(1, 4096, QUICK)
    owed = made = 0.0
    while owed <= CREDIT_SECONDS:
        assert committed(lone, [disable(f"slow {made}", SLOW, clock)]) is not None
        owed, made = max(owed - SLOW, 0) + PAY_TIMES * SLOW, made + 1
    assert made > 2
    left = owed - CREDIT_SECONDS
    for wait in (0, left * 0.9):
        clock.now += wait
        lone.thread_committed(1, 4096, QUICK)
        assert committed(lone, [disable("early")]) is None
    clock.now += left * 0.2
    assert committed(lone, [disable("slow again", SLOW, clock)]) == ([1], [])
    lone.thread_committed(1, 4096, QUICK)
    assert committed(lone, [disable("early")]) is None
    clock.now += PAY_TIMES * SLOW
    lone.thread_committed(1, 4096, QUICK)
    assert committed(lone, [disable("later")]) is not None
    assert "early" not in disabled(tmp_path)


def test_a_disk_that_stalls_is_left_to_the_thread(lone: LoneCommits, clock: Clock) -> None:
    """A commit of the thread that took long tells as much, once; and a slow one here is no proof of a quick disk."""
    lone.thread_committed(1, 4096, QUICK)
    for _ in range(2):
        lone.thread_committed(1, 4096, 1.0)
    lone.thread_committed(1, 4096, QUICK)
    assert committed(lone, [disable("early")]) is None
    clock.now += PAY_TIMES
    lone.thread_committed(1, 4096, QUICK)
    assert committed(lone, [disable("slow", SLOW, clock)]) is not None
    clock.now += TRUST_SECONDS - SLOW
    assert committed(lone, [disable("unproved")]) is None


def test_the_thread_has_its_turn(lone: LoneCommits, clock: Clock) -> None:
    """After so many commits in a row: it is the one that begins the log anew where that has become long."""
    lone.thread_committed(1, 4096, QUICK)
    for number in range(IN_A_ROW):
        assert committed(lone, [disable(f"plugin {number}")]) is not None
    assert committed(lone, [disable("one more")]) is None
    lone.thread_committed(100, 10**6, SLOW)  # a large one tells nothing of the disk
    assert committed(lone, [disable("one more")]) is not None


def test_what_is_large_is_the_threads(lone: LoneCommits, clock: Clock, tmp_path: Path) -> None:
    """Many operations, a large image or a large result would hold the loop up."""
    lone.thread_committed(1, 4096, QUICK)
    job = new_job(1)
    large = job._replace(image=job.image.__class__(job.image.digest, SMALL_BYTES, bytes(SMALL_BYTES)))
    assert committed(lone, [CreateJob(large)]) is None
    run = job._replace(attempt=1, start_time_us=1)
    end = SIGNER.signed(dataclasses.replace(outcome(run), result=bytes(SMALL_BYTES)), run)
    assert committed(lone, [FinishJob(run, OWNER, end, SIGNER.verify(end, run), CHAIN)]) is None
    assert committed(lone, [disable(f"plugin {number}") for number in range(SMALL_OPERATIONS + 1)]) is None
    assert disabled(tmp_path) == []


def test_another_transaction_is_not_waited_for(lone: LoneCommits, clock: Clock, tmp_path: Path) -> None:
    """While another connection writes, nothing is done here."""
    lone.thread_committed(1, 4096, QUICK)
    with closing(sqlite3.connect(tmp_path / "runward.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert committed(lone, [disable("a")]) is None
        connection.execute("ROLLBACK")
    assert committed(lone, [disable("b")]) is not None
    assert disabled(tmp_path) == ["b"]


def test_an_operation_that_fails(lone: LoneCommits, clock: Clock, tmp_path: Path) -> None:
    """Nothing is done here where one fails; the next commit is."""
    lone.thread_committed(1, 4096, QUICK)
    assert committed(lone, [disable("a"), disable("a"), disable("b")]) is None
    assert disabled(tmp_path) == []
    assert committed(lone, [disable("c")]) == ([1], [])


async def test_a_lone_operation_that_fails(writer: HeldWriter, clock: Clock) -> None:
    """The thread tells: its error is its outcome, and what waited with it is on disk."""
    await trusted(writer, clock)
    writer.defer(disable("deferred"))
    lone = writer.submit(disable("first"), lone=True)
    with pytest.raises(sqlite3.IntegrityError):
        await lone
    assert writer.rows(DISABLED) == [("first",), ("deferred",)]


async def trusted(writer: HeldWriter, clock: Clock) -> None:
    """Bring a writer to where it commits on the loop: its thread has written something, and is idle."""
    writer.loop_connection.open()
    writer.turn.shared = lambda: False
    await writer.submit(disable("first"))
    await turns_until(lambda: not writer._writing)
    clock.now += 1000  # whatever that took
    writer.lone.thread_committed(1, 4096, QUICK)


async def test_what_waits_goes_first(writer: HeldWriter, clock: Clock) -> None:
    """A lone operation is on disk when it was handed over, and those deferred before it are before it. It hears what
    changed, as after each commit.
    """
    await trusted(writer, clock)

    def change(tx: Transaction) -> str:
        tx.changed.append("job")
        return "done"

    deferred = writer.submit(disable("deferred"), deferred=True)
    writer.defer(disable("forgotten"))
    lone = writer.submit(change, lone=True)
    assert (deferred.done(), lone.done()) == (True, True)
    assert (await deferred, await lone) == (1, "done")
    assert writer.rows(DISABLED) == [("first",), ("deferred",), ("forgotten",)]
    await turns_until(lambda: ["job"] in writer.changes)


@pytest.mark.parametrize("other", ["a busy thread", "a second caller", "another process"])
async def test_whoever_is_not_alone(writer: HeldWriter, clock: Clock, other: str) -> None:
    """While the thread writes, another job is under way or another process is there, the thread commits, in order."""
    await trusted(writer, clock)
    if other == "a busy thread":
        async with writer.held():
            lone = writer.submit(disable("lone"), lone=True)
            assert not lone.done()
        assert await lone == 1
        return
    if other == "a second caller":
        writer.in_flight = lambda: 2
    else:
        writer.turn.shared = lambda: True
    lone = writer.submit(disable("lone"), lone=True)
    assert not lone.done()
    assert await lone == 1
