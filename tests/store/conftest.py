"""A real database and its writer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from runward_service.store.database import Database
from runward_service.store.job_store import SqliteJobStore
from tests.store.held_writer import HeldWriter
from tests.store.jobs import CHAIN, OWNER, SIGNER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def writer(tmp_path: Path) -> AsyncIterator[HeldWriter]:
    """A writer on a new database that can be held, so that a test chooses what shares a transaction."""
    database = Database(tmp_path / "data")
    database.prepare()
    held = HeldWriter(database)
    held.start()
    yield held
    await held.close()
    held.loop_connection.close()


@pytest.fixture
def store(writer: HeldWriter) -> SqliteJobStore:
    """The job store on the held writer."""
    return SqliteJobStore(writer, OWNER, Path, SIGNER.verify, CHAIN)
