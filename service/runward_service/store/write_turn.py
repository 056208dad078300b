"""The turn to write, among the processes on one data folder: a lock of folders, beside SQLite's own.

SQLite lets whoever comes first write, and has the others look again after 1, 2, 5 and up to 100 ms: a process that
writes all the time keeps another from it for seconds, and when it stops the lock lies idle. Here who waits comes next.
The turn says who goes first and no more. What guards the data is SQLite's lock, so whoever cannot have the turn, or
knows nothing of it, writes all the same.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE_SECONDS = 1.0
"""How long the turn is waited for. Whoever keeps it for longer is stopped, or writes very much."""
FIRST_LOOK_SECONDS = 0.00025
LAST_LOOK_SECONDS = 0.002
"""How often it is looked for, at first and in the end: each look takes Python's lock from the loop. A wait in the
kernel could not be ended, for flock knows no timeout.
"""

logger = logging.getLogger(__name__)


class WriteTurn:
    """This process's part in it. For one thread.

    Two locks make it fair: whoever waits holds ``next`` until it has ``turn``, so that a process which has just left
    and comes again stands behind. The kernel lets go of both when a process dies. They lie on folders that are there
    anyway, so that nothing is left of them.
    """

    def __init__(self, turn: Path, next_turn: Path) -> None:
        """Name two folders."""
        self._folders = [next_turn, turn]
        self._next = -1
        self._turn = -1
        self._patient = True
        self.shared: Callable[[], bool] = lambda: True
        """Tells whether other processes use the data folder; without any there is no turn to take."""

    def open(self) -> None:
        """Open the folders, which a store that was just restored may lack. Raises OSError."""
        for folder in self._folders:
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
        self._next, self._turn = [os.open(folder, os.O_RDONLY | os.O_CLOEXEC) for folder in self._folders]

    def close(self) -> None:
        """Close them, and let go of what is held."""
        for descriptor in (self._next, self._turn):
            if descriptor >= 0:
                os.close(descriptor)
        self._next = self._turn = -1

    def take(self) -> bool:
        """Wait for the turn; whether it was had.

        After a wait in vain it is no longer waited for until it is free, so that a process which was stopped while it
        had the turn costs the others one wait.
        """
        if not self.shared():
            return False
        end = time.monotonic() + PATIENCE_SECONDS if self._patient else 0.0
        taken = False
        if _lock(self._next, end):
            taken = _lock(self._turn, end)
            fcntl.flock(self._next, fcntl.LOCK_UN)
        if self._patient and not taken:
            logger.warning(
                "another process had the turn to write for %g s; it is waited for no longer", PATIENCE_SECONDS
            )
        self._patient = taken
        return taken

    def leave(self) -> None:
        """Let the next one write."""
        fcntl.flock(self._turn, fcntl.LOCK_UN)


def _lock(descriptor: int, end: float) -> bool:
    """Take a lock by a moment of the monotonic clock; whether it was had. It is tried once in any case."""
    pause = FIRST_LOOK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, LAST_LOOK_SECONDS)
        else:
            return True
