"""Bytes on the port that are no gRPC, and HTTP/2 that breaks off or goes wrong."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
OPENINGS = (
    b"",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    PREFACE,
    PREFACE + SETTINGS,
    PREFACE + SETTINGS + b"\0\0\4\1\4\0\0\0\1\x83\x86\x84\x41",  # headers that are cut
    PREFACE + SETTINGS + b"\xff\xff\xff\0\0\0\0\0\1",  # a frame of 16 MiB
    PREFACE + SETTINGS + b"\0\0\4\3\0\0\0\0\1\0\0\0\0" * 50,  # resets of streams that are not there
    PREFACE + SETTINGS + b"\0\0\x08\6\0\0\0\0\0pingpong" * 200,
)
MOST_BYTES = 2000
ANSWER_SECONDS = 0.05


async def send_garbage(address: str, seed: int) -> None:
    """Open a connection, send an opening and random bytes, read a little, and go."""
    rng = random.Random(seed)
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with suppress(ConnectionError, TimeoutError):
        writer.write(OPENINGS[seed % len(OPENINGS)] + rng.randbytes(rng.randrange(MOST_BYTES)))
        await writer.drain()
        async with asyncio.timeout(ANSWER_SECONDS):
            await reader.read(1000)
    writer.transport.abort()
