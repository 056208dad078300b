"""Checkpoints on request: the write-ahead log goes into the database file and is emptied.

SQLite makes checkpoints by itself as the log grows, and begins the log anew when no reader needs it. That keeps it
small, but leaves in it what was erased since.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError

if TYPE_CHECKING:
    from runward_service.store.database import Database

PATIENCE_SECONDS = 10.0
"""How long a reader of an older state, such as a backup, is waited for."""
BUSY_MS = 50
"""How long at a time: meanwhile nothing can be written."""
PAUSE_SECONDS = 0.05


class Checkpointer:
    """Empties the write-ahead log, once for all who ask at the same time."""

    def __init__(self, database: Database) -> None:
        """Work on a database, whichever processes have it open."""
        self._database = database
        self._lock = asyncio.Lock()
        self._asked = 0
        self._done = 0

    @property
    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        try:
            return self._database.log.stat().st_size
        except FileNotFoundError:
            return 0

    async def empty_log(self, patience_seconds: float | None = None) -> None:
        """Bring all that is committed now into the database file, and empty the log; wait for readers as long as said.

        Raises GovernedError STORE_UNAVAILABLE when a reader of an older state does not end in time.
        """
        self._asked += 1
        mine = self._asked
        async with self._lock:
            if self._done >= mine:
                return  # the one before began after this was asked for
            upto = self._asked
            patience = PATIENCE_SECONDS if patience_seconds is None else patience_seconds
            try:
                emptied = await asyncio.to_thread(self._empty, patience)
            except sqlite3.Error as error:  # a full disk, say
                message = "The store's log cannot be emptied now. Try again."
                raise GovernedError(ErrorReason.STORE_UNAVAILABLE, message) from error
            if not emptied:
                message = "The store's log is being read, by a backup perhaps, and cannot be emptied yet. Try again."
                raise GovernedError(ErrorReason.STORE_UNAVAILABLE, message)
            self._done = upto

    def _empty(self, patience_seconds: float) -> bool:
        end = time.monotonic() + patience_seconds
        with closing(sqlite3.connect(self._database.path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            connection.execute("PRAGMA synchronous = FULL")
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() >= end:
                    return False
                time.sleep(PAUSE_SECONDS)
        return True
