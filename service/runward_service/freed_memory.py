"""FreedMemory: memory that a request has freed is kept for the next, and given back where it is not needed.

By itself glibc gives memory back as soon as twice the largest piece so far is free at the end of a heap. The next
request then gets each of its pages anew, cleared, with a fault: some fifty of them for an image of 200 KB.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from typing import TYPE_CHECKING, Final

from runward_service.runtime.process_tree import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES: Final = 16 * 1024 * 1024
"""What may be free at the end of a heap and is kept. There is a heap for the loop's thread and some for all others."""
LARGEST_BYTES: Final = 32 * 1024 * 1024
"""What is larger comes from no heap, and is given back when it is freed; glibc takes no higher limit."""
LOOK_SECONDS = 10.0
GROWTH_BYTES = 16 * 1024 * 1024
"""By how much the process has to have grown before its heaps are looked through."""


class FreedMemory:
    """The free memory of this process, where its allocator is glibc's; with another, nothing is done."""

    def __init__(self) -> None:
        """Have it kept."""
        libc = ctypes.CDLL(None)
        self._trim: Callable[[int], int] | None = getattr(libc, "malloc_trim", None)
        if self._trim is not None:
            libc.mallopt(M_MMAP_THRESHOLD, LARGEST_BYTES)
            libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        self._smallest_bytes = resident_bytes(os.getpid())

    async def run(self) -> None:
        """For as long as this runs, give back what is free once the process has grown."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Give all free memory back where the process has grown since it was smallest. In a thread: it takes some
        milliseconds, in which other threads wait for a heap at most for as long as that one is looked through.
        """
        if self._trim is not None and resident_bytes(os.getpid()) > self._smallest_bytes + GROWTH_BYTES:
            await asyncio.to_thread(self._trim, 0)
            self._smallest_bytes = resident_bytes(os.getpid())
        self._smallest_bytes = min(self._smallest_bytes, resident_bytes(os.getpid()))
