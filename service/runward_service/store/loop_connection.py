"""LoopConnection: the connection that the loop uses itself, for what takes microseconds: a hop to another thread takes
ten times that.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.store.database import Database

CACHE_KIBIBYTES = 1024


class LoopConnection:
    """One connection for all on the loop, LoneCommits included: what one has read, the next one finds in its cache, and
    after a commit made here all of that is still good.
    """

    def __init__(self, database: Database) -> None:
        """Connect to a database; call open before anything else."""
        self._database = database
        self.connection: sqlite3.Connection | None = None
        """None as long as it is not open."""

    def open(self) -> None:
        """Open it. It never waits: a reader has to in no case but a recovery, a writer is told that another writes. Nor
        does it bring the log into the database. Raises sqlite3.Error.
        """
        connection = self._database.connect()
        for setting in ("busy_timeout = 0", "wal_autocheckpoint = 0", f"cache_size = -{CACHE_KIBIBYTES}"):
            connection.execute(f"PRAGMA {setting}")
        # What a statement may have to undo, such as the pages of deleted images, otherwise goes to a file.
        connection.execute("PRAGMA temp_store = MEMORY")
        self.connection = connection

    def close(self) -> None:
        """Close it, if it was opened."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def row(self, sql: str, parameters: Sequence[Any]) -> Any:
        """The first row of a query, None where there is none. Raises sqlite3.Error."""
        if self.connection is None:
            raise sqlite3.ProgrammingError("the loop's connection is not open")
        return self.connection.execute(sql, parameters).fetchone()
