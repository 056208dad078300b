"""BackgroundCheckpoints: the write-ahead log goes into the database file while commits go on."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from runward_service.store.database import LOG_BYTES

if TYPE_CHECKING:
    from runward_service.store.database import Database

logger = logging.getLogger(__name__)


class BackgroundCheckpoints:
    """A thread that brings the log into the file each time some LOG_BYTES were written.

    By itself SQLite does that within a commit, and whoever waits for that commit waits for two syncs of the disk more.
    It still does where this thread does not keep up, and always to begin the log anew: for that, nobody may write.
    """

    def __init__(self, database: Database) -> None:
        """Work on a database."""
        self._database = database
        self._written_bytes = 0
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="runward-checkpoints", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, when it has done what it was told of."""
        self._wake.put(False)
        self._thread.join()

    def wrote(self, size_bytes: int) -> None:
        """About so many bytes were committed. Raises what the thread ended with, if it failed."""
        if self._error is not None:
            raise self._error
        self._written_bytes += size_bytes
        if self._written_bytes >= LOG_BYTES:
            self._written_bytes = 0
            self._wake.put(True)

    def _main(self) -> None:
        try:
            if self._woken():
                with closing(self._database.connect()) as connection:
                    checkpoint(connection)
                    while self._woken():
                        checkpoint(connection)
        except BaseException as caught:  # noqa: BLE001 - whatever ends the thread must reach the server
            self._error = caught

    def _woken(self) -> bool:
        """Wait until there is something to do; False at the end. What was asked for meanwhile is done together."""
        if not self._wake.get():
            return False
        with suppress(Empty):
            while self._wake.get_nowait():
                pass
            self._wake.put(False)  # the end, which comes after what was asked for before it
        return True


def checkpoint(connection: sqlite3.Connection) -> None:
    """Bring into the database what of the log no reader of an older state needs there."""
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error as error:  # a full disk, say: the log keeps it, and the next one may pass
        logger.warning("the log could not be brought into the database: %s", error)
