"""The group-commit writer, with what tests need to direct and to inspect it."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
import threading
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

from runward_service.store.loop_connection import LoopConnection
from runward_service.store.writer import GroupCommitWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from runward_service.store.batch import Transaction
    from runward_service.store.database import Database

WAL_HEADER = 32
FRAME_HEADER = struct.Struct(">IIII8x")


class HeldWriter(GroupCommitWriter):
    """The writer itself, whose thread a test can keep busy while operations gather behind it."""

    def __init__(self, database: Database) -> None:
        self.loop_connection = LoopConnection(database)
        super().__init__(database, self.loop_connection, self._committed)
        self.database = database
        self.changes: list[list[str]] = []

    def _committed(self, job_ids: Sequence[str]) -> None:
        self.changes.append(list(job_ids))

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """For as long as the block lasts, what is submitted waits; then it all goes into one batch."""
        loop = asyncio.get_running_loop()
        entered, leave = asyncio.Event(), threading.Event()

        def hold(_transaction: Transaction) -> None:
            loop.call_soon_threadsafe(entered.set)
            leave.wait()

        held = self.submit(hold)
        await entered.wait()
        try:
            yield
        finally:
            leave.set()
            await held

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read over another connection: what is on disk for everyone."""
        with closing(sqlite3.connect(self.database.path)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def commits(self) -> int:
        """How many transactions the write-ahead log holds: a commit is a frame that tells the database's new size."""
        path = self.database.path.with_name(f"{self.database.path.name}-wal")
        log = path.read_bytes() if path.exists() else b""
        if not log:
            return 0
        page_size, salts = struct.unpack(">I", log[8:12])[0], struct.unpack(">II", log[16:24])
        count = 0
        for offset in range(WAL_HEADER, len(log), FRAME_HEADER.size + page_size):
            _, size_after, *frame_salts = FRAME_HEADER.unpack_from(log, offset)
            if tuple(frame_salts) != salts:
                break  # left from before the log was begun anew
            count += size_after > 0
        return count


def disable(name: str, reason: str = "") -> Any:
    """An operation that writes one small row."""
    return lambda tx: tx.execute("INSERT INTO disabled_plugin VALUES (?, ?, 1)", (name, reason)).rowcount
