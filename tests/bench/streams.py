"""The load's side of streams: many of them open at once, each message counted, none parsed more than once."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Any

import grpc

from runward.v1 import jobs_pb2
from tests.programs.processes import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

STREAMS_A_CONNECTION = 100
CHANGE = 0x0A
"""The first byte of a message with a job; a bookmark has another."""
MILLISECONDS = 1000
PATIENCE_SECONDS = 120


class Receivers:
    """Streams of one method, spread over connections as those of many clients are."""

    def __init__(self, calls: Sequence[dict[str, Any]], streams: int, messages: int, *, delays: bool) -> None:
        """Make the calls in turns and expect so many messages on each; with ``delays``, take down how old each is when
        it comes.
        """
        options = (("grpc.use_local_subchannel_pool", 1),)
        count = -(-streams // STREAMS_A_CONNECTION)
        self._channels = [grpc.aio.insecure_channel(calls[0]["target"], options) for _ in range(count)]
        self._calls = calls
        self._streams = streams
        self._messages = messages
        self._changed: dict[bytes, float] | None = {} if delays else None
        self._ready = asyncio.Semaphore(0)
        self.delays: list[float] = []

    async def open(self) -> list[asyncio.Task[None]]:
        """Open all and wait for the first message of each; tasks that end with the last one."""
        tasks = []
        for number in range(self._streams):
            channel = self._channels[number % len(self._channels)]
            call = self._calls[number % len(self._calls)]
            method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(call["method"])
            tasks.append(asyncio.create_task(self._receive(method(base64.b64decode(call["request"])))))
        for _ in tasks:
            await self._ready.acquire()
        return tasks

    async def _receive(self, call: grpc.aio.UnaryStreamCall[bytes, bytes]) -> None:
        await call.read()
        self._ready.release()
        left = self._messages
        while left:
            message = await call.read()
            if not isinstance(message, bytes):
                raise TypeError(f"a stream ended {left} messages too early")
            if message[0] == CHANGE:
                left -= 1
                if self._changed is not None:
                    self.delays.append((time.time() - self._time_of(message, self._changed)) * MILLISECONDS)
        call.cancel()

    def _time_of(self, message: bytes, known: dict[bytes, float]) -> float:
        """When the change was made that a message tells of: shortly before it was committed."""
        if (found := known.get(message)) is None:
            job = jobs_pb2.WatchJobsResponse.FromString(message).job
            stamps = (job.end_time, job.start_time, job.create_time)
            stamp = next(one for one in stamps if one.seconds)
            found = known[message] = stamp.seconds + stamp.nanos / 1e9
        return found

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(channel.close() for channel in self._channels))


async def watched(  # noqa: PLR0917 - a command's fields
    calls: Sequence[dict[str, Any]],
    triggers: Sequence[dict[str, Any]],
    pid: int,
    streams: int,
    messages: int,
    pause: float,
) -> dict[str, Any]:
    """Open streams, make the trigger calls, and wait until each stream has had its messages; the process ``pid``
    serves.
    """
    receivers = Receivers(calls, streams, messages, delays=pause > 0)
    async with asyncio.timeout(PATIENCE_SECONDS), grpc.aio.insecure_channel(triggers[0]["target"]) as channel:
        receiving = await receivers.open()
        start, cpu, server = time.perf_counter(), time.process_time(), cpu_seconds([pid])
        requests = []
        for trigger in triggers:
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(trigger["method"])
            requests.append(asyncio.ensure_future(method(base64.b64decode(trigger["request"]))))
            if pause:
                await asyncio.sleep(pause)
        await asyncio.gather(*requests, *receiving)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        server = cpu_seconds([pid]) - server
    await receivers.close()
    return {"seconds": seconds, "cpu_seconds": cpu, "server_seconds": server, "delays": receivers.delays}
