"""Malformed requests of every kind: a short run of ``make fuzz``."""

from __future__ import annotations

import asyncio
import sys

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_malformed_requests_leave_the_server_serving() -> None:
    """Messages that hypothesis makes up for every method, bytes that are no gRPC, damaged pictures and bombs for every
    built-in plugin: each is refused with a typed error that tells nothing of the inside, no worker is lost over them,
    and the server serves as before.
    """
    arguments = ("--messages", "300", "--garbage", "90", "--pictures", "14", "--seed", "20")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fuzz", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"faults in its log: none" in output
