"""LoneCommits: what a lone caller's job comes to is committed on the loop, as long as the disk is quick."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

from runward_service.store.batch import BEGIN, rollback, run_plainly

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runward_service.store.batch import Transaction
    from runward_service.store.loop_connection import LoopConnection

QUICK_SECONDS = 0.003
TRUST_SECONDS = 1.0
PAUSE_TIMES = 20
"""A disk is trusted for TRUST_SECONDS after each small commit that was quick, and after one that was not, again when
PAUSE_TIMES as long have passed: slow commits hold the loop up for a twentieth of the time at most.
"""
IN_A_ROW = 64
"""After so many commits here the writer's thread makes one, which also brings the log into the database where it has
become too long.
"""
SMALL_OPERATIONS = 4
SMALL_BYTES = 64 * 1024
"""Of the log: what takes no longer than what the loop does anyway for a call."""


class LoneCommits:
    """Where one call is under way, the hop to the writer's thread and back takes as long as the commit itself: both
    threads have to be woken, each on a processor that has gone to sleep, and Python's lock changes hands. Then there is
    also nobody whom the loop keeps waiting while it commits.
    """

    def __init__(self, loop_connection: LoopConnection) -> None:
        """Commit on the loop's own connection while that is open."""
        self._loop_connection = loop_connection
        self._trusted_from = 0.0
        self._trusted_until = 0.0
        self._left = 0

    def thread_committed(self, operations: int, size_bytes: int, seconds: float) -> None:
        """The writer's thread has committed so much, in so long a time."""
        self._left = IN_A_ROW
        if operations <= SMALL_OPERATIONS and size_bytes <= SMALL_BYTES:
            self._note(seconds)

    def _note(self, seconds: float) -> None:
        now = time.monotonic()
        if seconds > QUICK_SECONDS:
            self._trusted_from, self._trusted_until = now + PAUSE_TIMES * seconds, 0.0
        elif now >= self._trusted_from:
            self._trusted_until = now + TRUST_SECONDS

    def commit(
        self, operations: Sequence[Callable[[Transaction], Any]], size_bytes: int
    ) -> tuple[list[Any], list[str]] | None:
        """Commit operations that make the log so much longer, and answer as run_batch does; None, and nothing is done,
        where that is the thread's: also where one fails, for what becomes of the others then may have to wait for
        another's transaction.
        """
        begin, connection = time.monotonic(), self._loop_connection.connection
        if connection is None or not self._left or begin >= self._trusted_until:
            return None
        if len(operations) > SMALL_OPERATIONS or size_bytes > SMALL_BYTES:
            return None
        try:
            connection.execute(BEGIN)
        except sqlite3.Error:  # another transaction is under way, say
            return None
        self._left -= 1
        try:
            done = run_plainly(connection, operations)
        except Exception:  # noqa: BLE001 - the thread runs them again, and tells
            rollback(connection)
            return None
        self._note(time.monotonic() - begin)
        return done
