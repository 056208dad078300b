"""The temporary folder of a worker: where its runs start, empty each time, and where its setup may leave files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

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
            if names := os.listdir(self._runs_fd):  # noqa: PTH208 - an open folder, whatever lies at its path now
                for name in names:
                    remove(name, self._runs_fd)
            elif time.time_ns() - status.st_mtime_ns > SETTLED_NS:
                self._settled_ns = status.st_mtime_ns
        except OSError:
            return False
        return True


def set_temporary(folder: Path) -> None:
    """Have this process, and what it starts, make temporary files in a folder."""
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)


def remove(name: str, folder_fd: int) -> None:
    """Remove what an open folder holds by a name. Raises OSError."""
    try:
        os.unlink(name, dir_fd=folder_fd)
    except IsADirectoryError:
        shutil.rmtree(name, dir_fd=folder_fd)


def remove_tree(folder: str) -> None:
    """Remove a worker's folder as far as that can be done, folders that the plugin closed to itself too."""
    for parent, names, _ in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
