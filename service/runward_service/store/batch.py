"""A batch: operations that share one transaction, and what becomes of the others where one of them fails."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any, cast

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.store.counters import CounterDeltas
from runward_service.store.database import PAGE_BYTES
from runward_service.store.receipt_chain import ChainHead
from runward_service.store.statements import statements
from runward_service.store.transitions import CreateJob, FinishJob, RowNotFound
from runward_service.store.waiting_transitions import WaitingTransitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

BEGIN = "BEGIN IMMEDIATE"
WITH_CONTENT = (CreateJob, FinishJob)
HEADS = statements("job_store.sql")["heads"]

logger = logging.getLogger(__name__)


class Transaction:
    """What an operation writes with. Used on the writer's thread alone."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Begin within the connection's open transaction."""
        self._connection = connection
        self.execute = connection.execute
        self.counters = CounterDeltas()
        self.changed: list[str] = []
        self._revision: int
        self._revision, *chain = connection.execute(HEADS).fetchone()
        self.chain_head = ChainHead(*chain) if chain[0] else ChainHead()
        """The last entry of the chain of receipts."""

    def next_revision(self) -> int:
        """A revision for the next change. The write lock is held, so revisions commit in their order."""
        return self.next_revisions(1)

    def next_revisions(self, count: int) -> int:
        """The first of several revisions that follow each other."""
        self._revision += count
        return self._revision - count + 1


def run_batch(
    connection: sqlite3.Connection, operations: Sequence[Callable[[Transaction], Any]]
) -> tuple[list[Any], list[str]]:
    """Run operations in one transaction; returns what each returned or raised, and the ids of the jobs changed.

    The common case pays for no savepoints. Where an operation fails, everything is rolled back and run again with a
    savepoint each; where even that is rolled back as a whole (a full disk, say), each is tried in a transaction alone.
    """
    try:
        connection.execute(BEGIN)
    except sqlite3.Error as error:
        # Another process holds the lock for too long: each operation by itself would wait as long as all together.
        return [_as_outcome(error) for _ in operations], []
    try:
        return run_plainly(connection, operations)
    except RowNotFound:
        rollback(connection)
    except Exception as error:  # noqa: BLE001 - an operation's own error is found again below
        rollback(connection)
        if len(operations) == 1:
            return [_as_outcome(error)], []
    try:
        connection.execute(BEGIN)
        return _run_with_savepoints(connection, operations)
    except Exception:  # noqa: BLE001 - as above
        rollback(connection)
    outcomes: list[Any] = []
    changed: list[str] = []
    for operation in operations:
        single, single_changed = run_batch(connection, [operation])
        outcomes += single
        changed += single_changed
    return outcomes, changed


def run_plainly(
    connection: sqlite3.Connection, operations: Sequence[Callable[[Transaction], Any]]
) -> tuple[list[Any], list[str]]:
    """Run operations in the open transaction and commit it; as run_batch. Raises what one of them raises: then the
    transaction may be open still.
    """
    transaction = Transaction(connection)
    outcomes = run_together(transaction, operations)
    transaction.counters.write(connection)
    connection.execute("COMMIT")
    return outcomes, transaction.changed


def run_together(transaction: Transaction, operations: Sequence[Callable[[Transaction], Any]]) -> list[Any]:
    """Run operations in order, except that transitions between which no other operation comes are written together; see
    WaitingTransitions.
    """
    outcomes: list[Any] = [None] * len(operations)
    waiting = WaitingTransitions()
    for place, operation in enumerate(operations):
        if not waiting.add(place, operation):
            waiting.apply(transaction, outcomes)
            if not waiting.add(place, operation):
                outcomes[place] = operation(transaction)
    waiting.apply(transaction, outcomes)
    return outcomes


def _run_with_savepoints(
    connection: sqlite3.Connection, operations: Iterable[Callable[[Transaction], Any]]
) -> tuple[list[Any], list[str]]:
    transaction = Transaction(connection)
    outcomes: list[Any] = []
    for operation in operations:
        connection.execute("SAVEPOINT operation")
        kept, chain_head = transaction.counters.copy(), transaction.chain_head
        try:
            outcome = operation(transaction)
        except Exception as error:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO operation")
            transaction.counters, transaction.chain_head = kept, chain_head
            outcome = _as_outcome(error)
        connection.execute("RELEASE operation")
        outcomes.append(outcome)
    transaction.counters.write(connection)
    connection.execute("COMMIT")
    return outcomes, transaction.changed


def rollback(connection: sqlite3.Connection) -> None:
    """Undo what the open transaction did, if there is one."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def stored_bytes(operation: Callable[[Transaction], Any]) -> int:
    """About how much an operation adds to the write-ahead log: a page, and a new job's image, or what a run gave."""
    return PAGE_BYTES + (operation.content_bytes if isinstance(operation, WITH_CONTENT) else 0)


def is_failure(outcome: object) -> bool:
    """Whether the database failed an operation, rather than a rule refused it."""
    return isinstance(outcome, GovernedError) and isinstance(outcome.__cause__, sqlite3.Error)


def _as_outcome(error: Exception) -> Exception:
    """What an operation's future raises: its own error, or a typed one where the database failed."""
    if not isinstance(error, sqlite3.Error) or isinstance(error, sqlite3.IntegrityError):
        return error
    logger.error("the store failed: %s", error)
    failure = GovernedError(ErrorReason.STORE_UNAVAILABLE, "The store could not take this. Try again.")
    failure.__cause__ = error
    return cast("Exception", failure)
