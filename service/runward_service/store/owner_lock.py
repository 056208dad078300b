"""Proof of life of the processes that own jobs: each holds a lock on a file of its own for as long as it lives.

The kernel lets go of the lock however the process ends, so a lock that can be had proves its owner dead; a process id,
which may have been given to another process, would not.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class OwnerLock:
    """This process's lock."""

    def __init__(self, folder: Path, owner: str) -> None:
        """Name the lock of an owner id in a folder, which exists."""
        self._path = folder / f"{owner}.lock"
        self._descriptor = -1

    def hold(self) -> None:
        """Take the lock, before the owner id is stored anywhere. Raises OSError when the folder cannot be written."""
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

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
