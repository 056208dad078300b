"""Proof of life of the processes that own jobs: each holds a lock on a file of its own for as long as it lives.

The kernel lets go of the lock however the process ends, so a lock that can be had proves its owner dead; a process id,
which may have been given to another process, would not.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


class OwnerLock:
    """This process's lock."""

    def __init__(self, folder: Path, owner: str) -> None:
        """Name the lock of an owner id in a folder, which exists."""
        self._path = folder / f"{owner}.lock"
        self._descriptor = -1

    def hold(self) -> None:
        """Take the lock, before the owner id is stored anywhere. Raises OSError when the folder cannot be written."""
        while self._descriptor < 0:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # whoever has it looks for dead owners, and lets go at once
            if self._is_mine(descriptor):
                self._descriptor = descriptor
            else:  # it was taken for a dead owner's and removed
                os.close(descriptor)

    def _is_mine(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))  # noqa: PTH116 - of both
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let go and remove the file; the owner must have no unfinished jobs left."""
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def is_dead(folder: Path, owner: str) -> bool:
    """Whether an owner has ended: its lock can be had, or its file is gone."""
    try:
        descriptor = os.open(folder / f"{owner}.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def forget(folder: Path, owner: str) -> None:
    """Remove a dead owner's lock file."""
    (folder / f"{owner}.lock").unlink(missing_ok=True)


def living_owners(folder: Path) -> list[str]:
    """The owners in a folder that are alive: the servers that use the data beside it."""
    return sorted(path.stem for path in folder.glob("*.lock") if not is_dead(folder, path.stem))


def forget_unknown(folder: Path, known: Collection[str]) -> None:
    """Remove the lock files and sockets of dead owners that the store does not know: they died before they were stored
    there, or after they had resigned.
    """
    for path in folder.glob("*.lock"):
        if path.stem not in known:
            _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # its owner has just resigned, or another process was faster
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Removed while it is held: an owner that is just taking it finds that it has lost it.
        path.with_suffix(".sock").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)
