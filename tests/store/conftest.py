"""A real database and its writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from runward_service.store.database import Database
from tests.store.held_writer import HeldWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture
async def writer(tmp_path: Path) -> AsyncIterator[HeldWriter]:
    """A writer on a new database that can be held, so that a test chooses what shares a transaction."""
    database = Database(tmp_path / "data")
    database.prepare()
    held = HeldWriter(database)
    held.start()
    yield held
    await held.close()
