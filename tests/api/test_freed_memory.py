"""Free memory of the service: kept between requests, given back after them."""

from __future__ import annotations

import asyncio
import os
import resource
import sys

from runward_service.freed_memory import GROWTH_BYTES, KEPT_BYTES, FreedMemory
from runward_service.runtime.process_tree import resident_bytes

PIECE_BYTES = 200_000
PAGE_BYTES = 4096
MANY_BYTES = 4 * (KEPT_BYTES + GROWTH_BYTES)
TURNS = 10
TELL = "import asyncio; from tests.api.test_freed_memory import tell; asyncio.run(tell())"


def take(size_bytes: int) -> list[bytes]:
    """As many bytes, in pieces."""
    return [b"x" * PIECE_BYTES for _ in range(size_bytes // PIECE_BYTES)]


async def tell() -> None:
    """In a process of its own, whose memory nothing else uses: print what came of requests and of a crowd of them."""
    memory = FreedMemory()
    take(KEPT_BYTES // 2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(TURNS):
        take(KEPT_BYTES // 2)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    crowd = take(MANY_BYTES)
    largest = resident_bytes(os.getpid())
    del crowd[:-1]  # the last lies behind all the others, where its heap ends
    freed = resident_bytes(os.getpid())
    await memory.look()
    print(largest - freed, largest - resident_bytes(os.getpid()))


async def test_what_is_freed_is_kept_for_the_next_request_and_given_back_in_the_end() -> None:
    """Requests that follow each other get the same pages, without a fault for each. What a crowd of them has left is
    given back at a look, wherever it lies.
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", TELL, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    faults, freed, given_back = map(int, output.split())
    assert faults < TURNS * KEPT_BYTES // 2 // PAGE_BYTES / 10
    assert freed < MANY_BYTES / 2 < given_back
