"""A real database for raw SQL."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.harness.rows import new_database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shared_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """One migrated database for the tests of a module; each makes its own rows."""
    with closing(new_database(tmp_path_factory.mktemp("database"))) as connection:
        yield connection


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A migrated database of the test's own."""
    with closing(new_database(tmp_path / "data")) as connection:
        yield connection
