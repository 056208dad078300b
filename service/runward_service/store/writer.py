"""Group commit: every write that waits goes into one transaction, on one thread that owns one connection.

The loop hands operations over and gets futures; the thread takes all that wait, runs them in one BEGIN IMMEDIATE …
COMMIT, and crosses back to the loop once a batch. A commit's fsync is thus shared by all operations that came while
the one before was under way.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.recent_peak import RecentPeak
from runward_service.store.background_checkpoints import BackgroundCheckpoints
from runward_service.store.batch import is_failure, run_batch, stored_bytes
from runward_service.store.lone_commits import LoneCommits
from runward_service.store.write_turn import WriteTurn

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from runward_service.store.batch import Transaction
    from runward_service.store.database import Database
    from runward_service.store.loop_connection import LoopConnection

T = TypeVar("T")
MAX_BATCH = 512
DEFER_SECONDS = 0.01
"""How long a deferred operation may wait for one that is urgent."""
OPERATIONS_A_JOB = 3
CROWD = 16
LARGE_BATCH = 190
GATHER_SECONDS = 0.024
CROWD_SECONDS = 0.1
"""With a CROWD of calls in flight a batch is gathered for GATHER_SECONDS at most, until nearly all of them wait for it
or it is large: a job in a batch of 30 costs half the processor time of one in a batch of 6. With fewer calls, the wait
would cost them more than it saves; and the jobs that nobody waits for are no crowd, for each makes fewer operations
than a batch is gathered for. The loop does the waiting: each look of a second thread at the queue would take Python's
lock from the loop. A crowd counts for CROWD_SECONDS after it was seen: when a batch has ended, most calls are answered
and those that follow them are only on their way, so that what is in flight just then tells nothing.
"""

logger = logging.getLogger(__name__)


class GroupCommitWriter:
    """The one writer of this process."""

    def __init__(
        self, database: Database, loop_connection: LoopConnection, on_commit: Callable[[Sequence[str]], None]
    ) -> None:
        """Write to a database, on the loop's own connection too while that is open; ``on_commit`` is called on the loop
        with the ids of the jobs that a commit changed.
        """
        self._database = database
        self._on_commit = on_commit
        self._waiting: deque[tuple[Callable[[Transaction], Any], asyncio.Future[Any] | None]] = deque()
        self._last: deque[tuple[Callable[[Transaction], Any], asyncio.Future[Any] | None]] = deque()
        """Operations that come after all others of their batch."""
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._signalled = False
        self._writing = False
        """Whether the thread is at work. It is set before _signalled is cleared: one of them tells."""
        self._closing = False
        self.in_flight: Callable[[], int] = lambda: 0
        """Tells how many jobs are under way in this process for callers that wait."""
        self.on_failure: Callable[[], None] = lambda: None
        """Called on the loop after a batch in which the database failed an operation."""
        self.on_alone: Callable[[], None] = lambda: None
        """Called when a lone caller's job was committed on the loop."""
        self.on_company: Callable[[], None] = lambda: None
        """Called when something is handed over beside that."""
        self.turn = WriteTurn(database.owners, database.folder)
        self._checkpoints = BackgroundCheckpoints(database)
        self.lone = LoneCommits(loop_connection)
        self._lone_bytes = 0
        """What was committed on the loop since the thread committed last."""
        self._crowd = RecentPeak(CROWD_SECONDS)
        self._unwritten = 0
        """Urgent operations that were handed over and are not on disk."""
        self._company = RecentPeak(CROWD_SECONDS)
        self._due = 0.0
        """When what waits is to be written by the loop's clock, should nobody wake the thread before; 0 for nothing."""
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._main, name="runward-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self.ended: asyncio.Future[None]
        """Done when the thread has ended, with its exception if it failed."""

    def start(self) -> None:
        """Start the thread. Call on the running loop."""
        self._loop = asyncio.get_running_loop()
        self.ended = self._loop.create_future()
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether close was called or the thread has ended."""
        return self._closing

    def submit(
        self,
        operation: Callable[[Transaction], T],
        *,
        deferred: bool = False,
        last: bool = False,
        lone: bool = False,
    ) -> asyncio.Future[T]:
        """Hand an operation over; the future is done once it is on disk.

        Operations run in the order given, but those that are to be the ``last`` of their batch. A deferred one waits up
        to DEFER_SECONDS for an urgent one to share its commit. A ``lone`` one may be written at once, with all that
        waits, where nothing else is under way; see LoneCommits. The future raises what the operation raised, or
        GovernedError STORE_UNAVAILABLE where the database failed.
        """
        if self._closing:
            raise GovernedError(ErrorReason.STORE_UNAVAILABLE, "The store is closed. Try again.")
        future: asyncio.Future[T] = self._loop.create_future()
        if last:
            self._last.append((operation, future))
            # Where a batch is gathered or about to be taken, a deferred one is in it.
            if not deferred or not (self._signalled or self._due):
                self._signal()
            return future
        if lone and self._written_here(operation, future):
            return future
        if not lone:
            self.on_company()
        self._waiting.append((operation, future))
        if not deferred:
            self._unwritten += 1
            future.add_done_callback(self._written)
        self._added(urgent=not deferred)
        return future

    def _written_here(self, operation: Callable[[Transaction], Any], future: asyncio.Future[Any]) -> bool:
        """Write an operation and what waits on the loop; False where that is the thread's."""
        busy = self._signalled or self._writing or self._unwritten or self._last
        if busy or self.in_flight() > 1 or self.turn.shared():
            self.on_company()
            return False
        batch = [*self._waiting, (operation, future)]
        operations = [one for one, _ in batch]
        size_bytes = sum(map(stored_bytes, operations))
        if (done := self.lone.commit(operations, size_bytes)) is None:
            return False
        self._waiting.clear()
        self._due = 0.0
        self._lone_bytes += size_bytes
        outcomes, changed = done
        self._complete([future for _, future in batch], outcomes, ())
        if changed:
            self._loop.call_soon(self._on_commit, changed)  # after the answer, which nobody shall wait longer for
        self.on_alone()
        return True

    def _written(self, _: object) -> None:
        self._unwritten -= 1

    def defer(self, operation: Callable[[Transaction], Any]) -> None:
        """Hand over a deferred operation whose outcome nobody waits for; a failure is logged. Raises as submit."""
        if self._closing:
            raise GovernedError(ErrorReason.STORE_UNAVAILABLE, "The store is closed. Try again.")
        self._waiting.append((operation, None))
        if not self._due and not self._signalled:
            self._added(urgent=False)

    def _added(self, *, urgent: bool) -> None:
        """Wake the thread for what waits, at once or later."""
        now, delay = self._loop.time(), DEFER_SECONDS
        crowd = self._crowd.note(self.in_flight(), now)
        if crowd >= CROWD:
            urgent = len(self._waiting) >= enough_for(crowd)
            delay = GATHER_SECONDS
        elif urgent and (company := self._company.note(self._unwritten, now)) >= CROWD:
            urgent = len(self._waiting) >= company // 2
        if urgent:
            self._signal()
        elif not self._due:
            self._due = now + delay
            self._look_by(self._due)

    def _look_by(self, due: float) -> None:
        """Have a timer run by then. One that runs already is left alone, though it may be of a wait that has ended:
        most waits end long before, and to cancel a timer and make another takes longer than to look once in vain.
        """
        if self._timer is not None and self._timer.when() > due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due > self._loop.time():
            self._look_by(self._due)
        elif self._due:
            self._due = 0.0
            if self._waiting or self._last:
                self._signal()

    def _signal(self) -> None:
        self._due = 0.0
        if not self._signalled:
            self._signalled = True
            self._wake.put(None)

    async def close(self) -> None:
        """Write what waits, then end the thread and close the connection."""
        self._closing = True
        self._signal()
        await asyncio.wait([self.ended])

    def _main(self) -> None:
        error: BaseException | None = None
        try:
            connection = self._database.connect()
            try:
                # What a statement may have to undo, such as the pages of deleted images, otherwise goes to a file.
                connection.execute("PRAGMA temp_store = MEMORY")
                self.turn.open()
                self._checkpoints.start()
                try:
                    self._serve(connection)
                finally:
                    self._checkpoints.close()
            finally:
                self.turn.close()
                connection.close()
        except BaseException as caught:  # noqa: BLE001 - whatever ends the thread must reach the server
            error = caught
        self._loop.call_soon_threadsafe(self._end, error)

    def _serve(self, connection: sqlite3.Connection) -> None:
        while True:
            self._writing = False
            self._wake.get()
            self._writing = True
            # Cleared before the queue is read: an operation added meanwhile signals anew, at worst for nothing.
            self._signalled = False
            more = True
            while more and (self._waiting or self._last):
                taken = self.turn.take()
                # Only now is the batch made up: what comes during the wait is in it.
                batch = self._take()
                begin = time.monotonic()
                outcomes, changed = run_batch(connection, [operation for operation, _ in batch])
                took = time.monotonic() - begin
                if taken:
                    self.turn.leave()
                futures = [future for _, future in batch]
                self._loop.call_soon_threadsafe(self._complete, futures, outcomes, changed)
                # After that: where it raises, what was committed is answered before the server stops.
                size_bytes = sum(stored_bytes(operation) for operation, _ in batch)
                self.lone.thread_committed(len(batch), size_bytes, took)
                size_bytes, self._lone_bytes = size_bytes + self._lone_bytes, 0
                self._checkpoints.wrote(size_bytes)
                # What has come meanwhile has signalled anew, or is to be joined by more.
                more = len(batch) >= MAX_BATCH or self._closing
            if self._closing:
                return

    def _take(self) -> list[tuple[Callable[[Transaction], Any], asyncio.Future[Any] | None]]:
        waiting = self._waiting
        batch = [waiting.popleft() for _ in range(min(len(waiting), MAX_BATCH))]
        if not waiting:
            batch += [self._last.popleft() for _ in range(len(self._last))]
        return batch

    def _complete(self, futures: list[asyncio.Future[Any] | None], outcomes: list[Any], changed: Sequence[str]) -> None:
        for future, outcome in zip(futures, outcomes, strict=True):
            if future is None:
                if isinstance(outcome, BaseException):
                    logger.error("a deferred write failed: %s", outcome)
            elif future.done():
                continue
            elif isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        if changed:
            self._on_commit(changed)
        if any(map(is_failure, outcomes)):
            self.on_failure()
        if self._waiting and not self._signalled and self._crowd.value >= CROWD:
            self._added(urgent=True)

    def _end(self, error: BaseException | None) -> None:
        self._closing = True
        failure = GovernedError(ErrorReason.STORE_UNAVAILABLE, "The store is closed. Try again.")
        for _, future in [*self._waiting, *self._last]:
            if future is not None and not future.done():
                future.set_exception(failure)
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)


def enough_for(crowd: int) -> int:
    """How many operations are worth a batch when so many jobs are in flight."""
    return min(OPERATIONS_A_JOB * crowd * 9 // 10, LARGE_BATCH)
