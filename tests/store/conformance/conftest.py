"""The implementations that the suite is run against. A new one adds its name and how an owner of a store is opened."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from runward_service.store.database import Database
from runward_service.store.job_reader import SqliteJobReader
from runward_service.store.job_store import SqliteJobStore
from runward_service.store.loop_connection import LoopConnection
from runward_service.store.writer import GroupCommitWriter
from tests.store.jobs import CHAIN, SIGNER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    import pytest

    from runward_service.store.protocols import JobReader, JobStore


@dataclass(frozen=True, slots=True)
class Owner:
    """What one service process has of a store."""

    name: str
    store: JobStore
    reader: JobReader


@asynccontextmanager
async def sqlite_owner(folder: Path, name: str) -> AsyncIterator[Owner]:
    """The embedded default: SQLite, a writer's thread and a reader of its own for each process."""
    database = Database(folder)
    database.prepare()
    writer = GroupCommitWriter(database, LoopConnection(database), lambda job_ids: None)
    writer.start()
    reader = SqliteJobReader(database)
    await reader.open()
    try:
        yield Owner(name, SqliteJobStore(writer, name, Path, SIGNER.verify, CHAIN), reader)
    finally:
        await reader.close()
        await writer.close()


IMPLEMENTATIONS: dict[str, Callable[[Path, str], AbstractAsyncContextManager[Owner]]] = {"sqlite": sqlite_owner}


@pytest_asyncio.fixture(params=IMPLEMENTATIONS)
async def owners(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Owner, Owner]]:
    """Two owners of one new store."""
    opened = IMPLEMENTATIONS[request.param]
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(opened(tmp_path / "data", name)) for name in ("one", "other")]
        for owner in (one, other):
            await owner.store.add_owner(1)
        yield one, other
