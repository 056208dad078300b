"""Point queries on the loop: what they find is always the newest commit."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from runward_service.store.database import Database
from runward_service.store.loop_reader import LoopReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORD = "SELECT reason FROM disabled_plugin WHERE plugin = ?"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A new store."""
    database = Database(tmp_path)
    database.prepare()
    return database


@pytest.fixture
def reader(database: Database) -> Iterator[LoopReader]:
    """An open reader of it."""
    reader = LoopReader(database)
    reader.open()
    yield reader
    reader.close()


def test_what_was_made_ready_is_no_older(database: Database, reader: LoopReader) -> None:
    """A row that changes after it was made ready is found as it is now."""
    with closing(database.connect()) as connection:
        for word in ("first", "second", "third"):
            connection.execute("REPLACE INTO disabled_plugin VALUES ('ocr', ?, 1)", (word,))
            assert reader.row(WORD, ("ocr",)) == (word,)
            reader.make_ready()
    assert reader.row(WORD, ("none",)) is None


def test_nothing_is_asked_twice(database: Database, reader: LoopReader) -> None:
    """Made ready is what was asked since the last time, once, whatever the parameters were."""
    asked: list[str] = []
    reader.row(WORD, ("ocr",))
    reader.row(WORD, ("barcode",))
    reader._connection.set_trace_callback(asked.append)
    reader.make_ready()
    assert asked == [WORD.replace("?", "'barcode'")]
    reader.make_ready()
    assert len(asked) == 1


def test_a_store_that_cannot_be_read_is_told_to_who_asks(database: Database) -> None:
    """Making ready says nothing, a question raises."""
    reader = LoopReader(database)
    reader.open()
    reader.row(WORD, ("ocr",))
    reader.close()
    reader.make_ready()
    with pytest.raises(sqlite3.Error):
        reader.row(WORD, ("ocr",))
