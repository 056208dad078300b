"""LoopReader: point queries that calls wait for, answered on the loop: one takes microseconds, a hop to another thread
ten times that.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.store.database import Database


class LoopReader:
    """One connection for all that ask: after a commit, what the first has read anew the next one finds in its cache."""

    def __init__(self, database: Database) -> None:
        """Read from a database; call open before anything else."""
        self._database = database
        self._connection: sqlite3.Connection

    def open(self) -> None:
        """Open the connection, on which writing is refused."""
        # It never waits: with write-ahead logging a reader has to in no case but a recovery.
        self._connection = sqlite3.connect(self._database.path, isolation_level=None, timeout=0)
        self._connection.execute("PRAGMA query_only = ON")

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def row(self, sql: str, parameters: Sequence[Any]) -> Any:
        """The first row, None where there is none. Raises sqlite3.Error."""
        return self._connection.execute(sql, parameters).fetchone()
