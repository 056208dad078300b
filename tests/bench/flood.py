"""More calls than a server can take: made at fixed moments whatever becomes of them, each end noted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.load import Call

TICK_SECONDS = 0.005
DETAILS_KEY = "grpc-status-details-bin"
OPEN_SECONDS = 60.0


async def flood(calls: Sequence[Call], rate: float, seconds: float) -> dict[str, Any]:
    """Make calls in turns, so many a second together. The milliseconds of refusals, from when each call was due; how
    many were accepted by each call; and how many ended in any other way.

    A refusal is RESOURCE_EXHAUSTED with details; a status without details was not the service's own.
    """
    refusals: list[float] = []
    accepted = [0] * len(calls)
    others: Counter[str] = Counter()
    start = time.perf_counter()

    async def one(place: int, due: float) -> None:
        try:
            await calls[place]()
        except grpc.aio.AioRpcError as error:
            typed = any(key == DETAILS_KEY for key, _ in error.trailing_metadata() or ())
            if typed and error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                refusals.append((time.perf_counter() - due) * 1000)
            else:
                others[f"{error.code().name}: {error.details()}"[:200]] += 1
        else:
            accepted[place] += 1

    tasks: set[asyncio.Task[None]] = set()
    for number in range(int(rate * seconds)):
        due = start + number / rate
        if due > time.perf_counter():
            await asyncio.sleep(max(due - time.perf_counter(), TICK_SECONDS))
        task = asyncio.ensure_future(one(number % len(calls), due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    sent_seconds = time.perf_counter() - start
    await asyncio.gather(*tasks)
    return {"refusals": refusals, "accepted": accepted, "others": others, "sent_seconds": sent_seconds}


class OpenStreams:
    """Streams that are held open; what they bring after their first message is counted, not read."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self.messages = 0

    async def open(self, channels: Sequence[grpc.aio.Channel], method: str, request: bytes, count: int) -> None:
        """Open so many streams, and wait until each has brought a message."""
        opened: list[asyncio.Future[None]] = []
        for number in range(count):
            stream = channels[number % len(channels)].unary_stream(method)(request)
            first = asyncio.get_running_loop().create_future()
            opened.append(first)
            self._tasks.append(asyncio.ensure_future(self._read(stream, first)))
        await asyncio.wait_for(asyncio.gather(*opened), OPEN_SECONDS)

    async def _read(self, stream: Any, first: asyncio.Future[None]) -> None:
        try:
            async for _ in stream:
                self.messages += 1
                if not first.done():
                    first.set_result(None)
        except grpc.aio.AioRpcError as error:
            if not first.done():
                first.set_exception(error)
        finally:
            stream.cancel()

    async def close(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
