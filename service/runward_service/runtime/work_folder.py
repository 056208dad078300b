"""The temporary folder of a worker: where its runs start, empty each time, and where its setup may leave files."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
SETTLED_NS = 100_000_000
"""Longer than two steps of the clock that files' times are taken from."""


class WorkFolder:
    """A worker's folder, as its host uses it: a part that lasts as long as the worker, for setup, and one for runs,
    which is empty when a run begins.
    """

    def __init__(self, folder: str) -> None:
        """Make both parts in a folder that the keeper made and will remove."""
        self._lasting, self._runs = Path(folder, "setup"), Path(folder, "run")
        self._lasting.mkdir()
        self._runs.mkdir()
        self._runs_fd = os.open(self._runs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._settled_ns = 0
        """A time of change at which the folder was seen empty, and after which no other change can have it too."""
        set_temporary(self._lasting)

    def begin_runs(self) -> None:
        """Setup is over: what is temporary from now on, lasts as long as a run."""
        set_temporary(self._runs)

    def enter(self) -> None:
        """Make it the working directory, wherever the run before went to. Raises OSError."""
        os.fchdir(self._runs_fd)

    def clean(self) -> bool:
        """Remove what a run left. False where the folder is not as a run should find it."""
        try:
            status = os.fstat(self._runs_fd)
            if not status.st_nlink:
                return False  # the run removed it
            if status.st_mtime_ns == self._settled_ns:
                return True
            if os.listdir(self._runs_fd):  # noqa: PTH208 - an open folder, whatever lies at its path now
                return empty(self._runs_fd)
            if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
                self._settled_ns = status.st_mtime_ns
        except OSError:
            return False
        return True


def set_temporary(folder: Path) -> None:
    """Have this process, and what it starts, make temporary files in a folder."""
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)


def remove_tree(folder: str) -> None:
    """Remove a worker's folder as far as that can be done, folders that the plugin closed to itself too."""
    with suppress(OSError):
        folder_fd = os.open(folder, FOLDER)
        try:
            empty(folder_fd)
        finally:
            os.close(folder_fd)
        Path(folder).rmdir()


def empty(folder_fd: int) -> bool:
    """Remove what an open folder holds; whether all of it could be removed."""
    names = os.listdir(folder_fd)
    complete = True
    while names:
        try:
            remove(names.pop(), folder_fd, names)
        except OSError:
            complete = False
    return complete


def remove(name: str, folder_fd: int, further: list[str]) -> None:
    """Remove a file, or a folder with the files in it, from an open folder. Folders in it are moved up, and their names
    added to ``further``: so nothing recurs, and no path gets too long, however deep a tree is. Raises OSError.
    """
    try:
        os.unlink(name, dir_fd=folder_fd)
    except IsADirectoryError:
        os.chmod(name, stat.S_IRWXU, dir_fd=folder_fd)
        inner_fd = os.open(name, FOLDER, dir_fd=folder_fd)
        try:
            for inner in os.listdir(inner_fd):  # noqa: PTH208 - an open folder
                try:
                    os.unlink(inner, dir_fd=inner_fd)
                except IsADirectoryError:
                    os.chmod(inner, stat.S_IRWXU, dir_fd=inner_fd)
                    moved = os.urandom(16).hex()
                    os.rename(inner, moved, src_dir_fd=inner_fd, dst_dir_fd=folder_fd)
                    further.append(moved)
        finally:
            os.close(inner_fd)
        os.rmdir(name, dir_fd=folder_fd)
