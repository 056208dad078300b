"""Where the bytes of small images lie: in overflow pages alone, which SQLite clears as a whole when they are freed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from runward_service.store.database import Database, SchemaError, migrate
from runward_service.store.images import INLINE_BYTES
from runward_service.store.row_statements import by_chunk
from tests.store.leaf_cells import leaf_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DATA = 6
"""The place of an image's bytes in its record."""
NOW_US = 1_800_000_000_000_000
SIZES = {
    **{f"up to {last:,}": range(last - 3_999, last + 1) for last in range(4_000, 20_001, 4_000)},
    "the largest": range(INLINE_BYTES - 4_095, INLINE_BYTES + 1, 45),
}
TENANTS = {
    "short": "t",
    "long enough for a longer header": "tenant" * 10,
    "longer than what a page keeps of a row": "tenant" * 200,
    "not of one byte a letter": "Müller & Söhne 株式会社",
}


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """A new one, in memory, where it has the pages that it would have in a file."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        yield connection


def store(database: sqlite3.Connection, tenant: str, sizes: Sequence[int], time_us: int = NOW_US) -> None:
    """Store images of these sizes by the statement that stores those of jobs, in this order."""
    for start in range(0, len(sizes), 64):
        rows = [(tenant, f"sha256:{size:064}", size, time_us, bytes(size)) for size in sizes[start:][:64]]
        for sql, parameters, _ in by_chunk("transitions.sql", "insert_images", rows):
            database.execute(sql, parameters)


def check(database: sqlite3.Connection, sizes: Sequence[int]) -> None:
    """Every image is there, and begins behind what the leaf page has of its row, which is no more than has to be."""
    cells = list(leaf_cells(database, "image"))
    assert [cell.starts[DATA + 1] - cell.starts[DATA] for cell in cells] == list(sizes)
    assert [cell.starts[DATA + 1] - cell.starts[DATA] for cell in cells if cell.starts[DATA] < cell.local_bytes] == []
    assert max(cell.local_bytes for cell in cells) <= 504


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_no_byte_of_an_image_lies_in_a_leaf(database: sqlite3.Connection, sizes: Sequence[int]) -> None:
    """Whatever its size, an image begins in the first overflow page of its row or behind."""
    store(database, "default", sizes)
    check(database, sizes)


@pytest.mark.parametrize("time_us", [0, 1, NOW_US])
@pytest.mark.parametrize("tenant", TENANTS.values(), ids=TENANTS)
def test_whatever_stands_before_it(database: sqlite3.Connection, tenant: str, time_us: int) -> None:
    """Tenants' names and times of any length change nothing of that, at any place where a page may end."""
    sizes = range(1, 4_200, 1 if time_us == NOW_US else 7)
    store(database, tenant, sizes, time_us)
    check(database, sizes)


def test_an_image_without_bytes_has_no_pad(database: sqlite3.Connection) -> None:
    """The row of a large image, whose bytes a file has, and of one whose bytes were lost is as small as can be."""
    store(database, "default", [5_000])
    database.execute("UPDATE image SET data = NULL")
    (cell,) = leaf_cells(database, "image")
    assert cell.local_bytes == cell.starts[-1] < 120


def test_pages_of_another_size_are_refused(tmp_path: Path) -> None:
    """What is known of pages of 4096 bytes does not hold for others: such a database is not used, and told how to be
    made one.
    """
    with closing(sqlite3.connect(tmp_path / "runward.db")) as connection:
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("CREATE TABLE other (thing TEXT)")
    with pytest.raises(SchemaError, match=r"pages of 8192 bytes, not 4096.*PRAGMA page_size = 4096"):
        Database(tmp_path).prepare()
