"""What can be turned on a running server from outside: its clock and the speed of its disk.

Two numbers in a file that both map. The server's side of it is in tests.chaos.server, for the service has no such
knobs.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = struct.Struct("<qd")


class Knobs:
    """The file, mapped."""

    def __init__(self, path: Path) -> None:
        """Map a file, which is made where there is none."""
        if not path.exists():
            path.write_bytes(LAYOUT.pack(0, 0.0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), LAYOUT.size)

    def read(self) -> tuple[int, float]:
        """How far the clock is off, in microseconds, and how many seconds a commit takes longer."""
        offset_us, delay = LAYOUT.unpack(self._map[:])
        return offset_us, delay

    def turn(self, *, clock_us: int | None = None, commit_seconds: float | None = None) -> None:
        """Set one or both."""
        before_us, before = self.read()
        offset_us = before_us if clock_us is None else clock_us
        delay = before if commit_seconds is None else commit_seconds
        self._map[:] = LAYOUT.pack(offset_us, delay)
