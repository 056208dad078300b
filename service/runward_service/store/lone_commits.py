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
PAY_TIMES = 20
CREDIT_SECONDS = 1.0
"""A disk is trusted for TRUST_SECONDS after each small commit that was quick. One that was not is paid for with
PAY_TIMES as long, and commits are made here as long as no more than CREDIT_SECONDS are owed: slow ones hold the loop up
for a twentieth of the time, and those of a moment for a twentieth of a second beside that, and for one commit.
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
        self._paid_at = 0.0
        """When all slow commits will have been paid for."""
        self._trusted_until = 0.0
        self._left = 0

    def thread_committed(self, operations: int, size_bytes: int, seconds: float) -> None:
        """The writer's thread has committed so much, in so long a time."""
        self._left = IN_A_ROW
        if operations <= SMALL_OPERATIONS and size_bytes <= SMALL_BYTES:
            now = time.monotonic()
            if not self._trusted_after(seconds, now):  # the next one may take as long, though this one held nobody up
                self._paid_at = max(self._paid_at, now + PAY_TIMES * seconds)

    def _trusted_after(self, seconds: float, now: float) -> bool:
        quick = seconds <= QUICK_SECONDS
        if quick:
            self._trusted_until = now + TRUST_SECONDS
        return quick

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
        if self._paid_at - begin > CREDIT_SECONDS:
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
        now = time.monotonic()
        if not self._trusted_after(now - begin, now):
            self._paid_at = max(self._paid_at, now) + PAY_TIMES * (now - begin)
        return done
