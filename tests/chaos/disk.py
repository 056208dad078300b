"""A small disk of one's own that can be filled up: a tmpfs in a mount namespace of this process."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
BLOCK_BYTES = 64 * 1024
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raises OSError for a system call that failed."""
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def own_mounts() -> None:
    """Give this process mounts of its own, which end with it. Call before there are threads.

    Raises OSError where the machine does not allow that; then no disk can be made.
    """
    user, group = os.getuid(), os.getgid()
    if user == 0 and LIBC.unshare(CLONE_NEWNS) == 0:
        pass
    else:
        check(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
                file.write(text)
    check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate")


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        """Mount it on a folder, which exists. Raises OSError."""
        self.folder = folder
        self._ballast = folder / "ballast"
        check(LIBC.mount(b"none", os.fsencode(folder), b"tmpfs", 0, f"size={size_bytes}".encode()), "mount tmpfs")

    def fill(self) -> None:
        """Leave no room: neither for a page of the database nor for an image."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(BLOCK_BYTES))

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it."""
        LIBC.umount2(os.fsencode(self.folder), 2)
