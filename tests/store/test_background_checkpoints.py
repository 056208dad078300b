"""The write-ahead log goes into the database file beside the commits."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.image import StoredImage
from runward_service.store.background_checkpoints import BackgroundCheckpoints
from runward_service.store.database import LOG_BYTES, PAGE_BYTES, Database
from runward_service.store.transitions import CreateJob
from runward_service.store.writer import stored_bytes
from tests.store.held_writer import disable
from tests.store.jobs import new_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.store.held_writer import HeldWriter


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database of this release."""
    found = Database(tmp_path)
    found.prepare()
    return found


@pytest.fixture
def connection(database: Database) -> Iterator[sqlite3.Connection]:
    """A connection that stays open, so that SQLite brings nothing into the file because the last one was closed."""
    with closing(database.connect()) as opened:
        yield opened


def in_file(database: Database) -> list[str]:
    """The plugins that are disabled by what the database file has, its log left aside."""
    with closing(sqlite3.connect(f"file:{database.path}?immutable=1", uri=True)) as alone:
        return [name for (name,) in alone.execute("SELECT plugin FROM disabled_plugin ORDER BY rowid")]


def disable_in(connection: sqlite3.Connection, plugin: str) -> None:
    """Commit a row."""
    connection.execute("INSERT INTO disabled_plugin VALUES (?, '', 1)", (plugin,))


def test_much_that_was_written_comes_into_the_file(database: Database, connection: sqlite3.Connection) -> None:
    """Once LOG_BYTES were written, in however many commits, what is in the log is in the database file too."""
    disable_in(connection, "tool")
    checkpoints = BackgroundCheckpoints(database)
    checkpoints.start()
    checkpoints.wrote(LOG_BYTES - 1)
    checkpoints.wrote(1)
    checkpoints.close()
    assert in_file(database) == ["tool"]


def test_little_stays_in_the_log(database: Database, connection: sqlite3.Connection) -> None:
    """What is less waits for more."""
    disable_in(connection, "tool")
    checkpoints = BackgroundCheckpoints(database)
    checkpoints.start()
    checkpoints.wrote(LOG_BYTES - 1)
    checkpoints.close()
    assert in_file(database) == []


def test_it_happens_while_another_writes(database: Database, connection: sqlite3.Connection) -> None:
    """A transaction that is open meanwhile neither waits nor keeps what was committed before it out of the file."""
    disable_in(connection, "before")
    connection.execute("BEGIN IMMEDIATE")
    disable_in(connection, "under way")
    checkpoints = BackgroundCheckpoints(database)
    checkpoints.start()
    checkpoints.wrote(LOG_BYTES)
    checkpoints.close()
    assert in_file(database) == ["before"]
    connection.execute("COMMIT")


def test_a_thread_that_failed_is_told(database: Database, connection: sqlite3.Connection) -> None:
    """Where the database cannot be opened, the writer hears of it, and with it the server, which then stops."""
    checkpoints = BackgroundCheckpoints(Database(database.folder / "nowhere"))
    checkpoints.start()
    checkpoints.wrote(LOG_BYTES)
    checkpoints.close()
    with pytest.raises(sqlite3.OperationalError):
        checkpoints.wrote(0)


async def test_what_was_committed_is_answered_though_the_thread_failed(writer: HeldWriter) -> None:
    """The writer ends with what the thread failed with, but not before it has answered for its last commit."""
    failure = OSError("the thread's own")
    writer._checkpoints._error = failure
    assert await writer.submit(disable("tool")) == 1
    await asyncio.wait([writer.ended])
    assert writer.ended.exception() is failure
    assert writer.rows("SELECT plugin FROM disabled_plugin") == [("tool",)]


def test_what_an_operation_adds() -> None:
    """An operation counts for a page, a new job for its image too, where that goes into the database."""
    assert stored_bytes(disable("tool")) == PAGE_BYTES
    data = bytes(100_000)
    assert stored_bytes(CreateJob(new_job(1, image=StoredImage("sha256:0", len(data), data)))) == PAGE_BYTES + 100_000
    in_a_file = StoredImage("sha256:0", 5_000_000)
    assert stored_bytes(CreateJob(new_job(2, image=in_a_file))) == PAGE_BYTES
