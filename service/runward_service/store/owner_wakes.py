"""Wake-ups between the processes on one data folder: a datagram socket for each, beside its lock file.

A wake-up carries no more than what it is about; the store tells the rest. One that is lost (a full buffer, a process
that is just starting) is made up for by whoever looks now and then.
"""

from __future__ import annotations

import os
import socket
from enum import IntFlag
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SUFFIX = ".sock"
MOST_AT_ONCE = 64
"""How many datagrams are read in one turn of the loop."""


class Wake(IntFlag):
    """What a wake-up is about."""

    STARTED = 1
    """The sender is new here."""
    COMMITTED = 2
    """A commit changed jobs."""
    STORED = 4
    """Jobs wait for a free slot of any process."""
    CANCELLED = 8
    """A job is to be cancelled by the process that runs it."""
    DISABLED = 16
    """A plugin was disabled, or enabled."""


ANYTHING = Wake.COMMITTED | Wake.STORED | Wake.CANCELLED | Wake.DISABLED


class OwnerWakes:
    """This process's socket, and those of the others."""

    def __init__(self, folder: Path, owner: str) -> None:
        """Name the socket of an owner id in the folder of the owners, which exists when it is opened."""
        self._folder = folder
        self._own = f"{owner}{SUFFIX}"
        self._directory = -1
        self._socket: socket.socket | None = None
        self.peers: set[str] = set()
        """The ids of the other owners that have a socket, dead ones that nobody has looked after among them."""

    def open(self) -> None:
        """Listen, and tell the others. The owner's lock is held. Raises OSError when the folder cannot be written."""
        self._directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._socket.bind(self._address(self._own))
        self.look()
        self.tell(Wake.STARTED)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        assert self._socket is not None
        return self._socket.fileno()

    def close(self) -> None:
        """Hear nothing more. The file stays: others look after what this owner may have left."""
        if self._socket is not None:
            self._socket.close()
            os.close(self._directory)
            self._socket = None

    def forget(self) -> None:
        """Remove the file: this owner has left nothing."""
        (self._folder / self._own).unlink(missing_ok=True)

    def look(self) -> None:
        """Find the others."""
        names = {name for name in os.listdir(self._folder) if name.endswith(SUFFIX)}  # noqa: PTH208 - a call a second
        self.peers = {name.removesuffix(SUFFIX) for name in names - {self._own}}

    def tell(self, wake: Wake) -> None:
        """Wake the others; costs nothing where there is none."""
        if not self.peers or self._socket is None:
            return
        message = bytes([wake])
        for peer in self.peers:
            try:
                self._socket.sendto(message, self._address(f"{peer}{SUFFIX}"))
            except OSError:  # it has enough to wake up for, or is gone: its lock tells
                continue

    def hear(self, on_wake: Callable[[Wake], None]) -> None:
        """Take what has come."""
        assert self._socket is not None
        heard = Wake(0)
        for _ in range(MOST_AT_ONCE):
            try:
                message = self._socket.recv(1)
            except BlockingIOError:
                break
            heard |= Wake(message[0] & (ANYTHING | Wake.STARTED)) if message else Wake(0)
        if heard & Wake.STARTED:
            self.look()
        on_wake(heard)

    def _address(self, name: str) -> str:
        # A socket's path has at most 107 bytes; a data folder's may have more.
        return f"/proc/self/fd/{self._directory}/{name}"


def forget_socket(folder: Path, owner: str) -> None:
    """Remove a dead owner's socket."""
    (folder / f"{owner}{SUFFIX}").unlink(missing_ok=True)
