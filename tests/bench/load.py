"""The load: a program that calls servers with ready-made bytes, the same way whichever server it is.

Reads one command a line as JSON from standard input, answers each with a line of JSON on standard output, ends with its
input. Neither requests nor answers are parsed while time is taken, so that a call costs this side the same everywhere.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import grpc
import uvloop

from tests.bench.flood import OpenStreams, flood
from tests.bench.streams import watched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Call = Callable[[], Awaitable[bytes]]

STAMP = b"--STAMP---STAMP-"
"""Where a request holds these bytes, each call puts others of the same length, so that no two are alike."""
SECONDS_A_CALL = 60.0


def caller(channel: grpc.aio.Channel, method: str, request: bytes) -> Call:
    """Make the function that makes one call of a method."""
    parts = request.split(STAMP)
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    if len(parts) == 1:
        return lambda: call(request, timeout=SECONDS_A_CALL)
    numbers = itertools.count(time.time_ns())
    return lambda: call((b"%016x" % next(numbers)).join(parts), timeout=SECONDS_A_CALL)


async def closed(callers: Sequence[Call], in_flight: int, seconds: float, calls: int) -> dict[str, Any]:
    """Keep so many calls in flight for a time, or until so many were made; the latencies in milliseconds. Each place
    in flight has one of the callers.
    """
    latencies: list[float] = []
    start = time.perf_counter()
    end = start + seconds if seconds else float("inf")
    left = itertools.repeat(None, calls) if calls else itertools.repeat(None)

    async def one_after_another(call: Call) -> None:
        for _ in left:
            began = time.perf_counter()
            if began >= end:
                return
            await call()
            latencies.append((time.perf_counter() - began) * 1000)

    cpu = time.process_time()
    await asyncio.gather(*(one_after_another(callers[number % len(callers)]) for number in range(in_flight)))
    elapsed = time.perf_counter() - start
    return {"seconds": elapsed, "cpu_seconds": time.process_time() - cpu, "latencies": latencies}


async def paced(call: Call, rate: float, seconds: float, offset: float) -> dict[str, Any]:
    """Make calls at fixed moments, whatever became of those before; the latencies in milliseconds.

    A latency counts from the moment at which the call was due: what holds the server up, or this program, is not lost.
    """
    latencies: list[float] = []
    start = time.perf_counter() + offset

    async def one(due: float) -> None:
        await call()
        latencies.append((time.perf_counter() - due) * 1000)

    tasks = []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        tasks.append(asyncio.ensure_future(one(due)))
    await asyncio.gather(*tasks)
    return {"latencies": latencies}


class Load:
    """The connections to the servers, and what commands do with them."""

    def __init__(self) -> None:
        self._channels: dict[tuple[str, int], grpc.aio.Channel] = {}
        self._streams = OpenStreams()

    def _caller(self, call: dict[str, Any], connection: int = 0) -> Call:
        key = call["target"], connection
        if key not in self._channels:
            # A client shares one connection among all channels with the same options.
            self._channels[key] = grpc.aio.insecure_channel(call["target"], (("number", connection),))
        return caller(self._channels[key], call["method"], base64.b64decode(call["request"]))

    async def obey(self, command: dict[str, Any]) -> Any:  # noqa: PLR0911 - one for each kind
        """Carry a command out."""
        match command["kind"]:
            case "watch":
                return await watched(**{name: value for name, value in command.items() if name != "kind"})
            case "one":
                return base64.b64encode(await self._caller(command["call"])()).decode()
            case "closed":
                callers = [self._caller(command["call"], number) for number in range(command["connections"])]
                return await closed(callers, command["in_flight"], command["seconds"], command["calls"])
            case "paced":
                rate, calls = command["rate"], command["calls"]
                # Spread within the period, so that the calls of one kind do not wait for those of another.
                offsets = [index / rate / len(calls) for index in range(len(calls))]
                works = [
                    paced(self._caller(c), rate, command["seconds"], o) for c, o in zip(calls, offsets, strict=True)
                ]
                return await asyncio.gather(*works)
            case "flood":
                callers = [self._caller(call) for call in command["calls"]]
                return await flood(callers, command["rate"], command["seconds"])
            case "open":
                call = command["call"]
                # Connections of their own: a client shares one among all channels with the same options.
                options = [(("number", number),) for number in range(command["connections"])]
                channels = [grpc.aio.insecure_channel(call["target"], one) for one in options]
                await self._streams.open(channels, call["method"], base64.b64decode(call["request"]), command["count"])
                return {"messages": self._streams.messages}
            case "close":
                await self._streams.close()
                return {"messages": self._streams.messages}
        raise ValueError(command["kind"])


async def main() -> None:
    """Obey the commands of standard input until it ends."""
    load = Load()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            answer = {"answer": await load.obey(json.loads(line))}
        except grpc.aio.AioRpcError as error:
            answer = {"problem": f"{error.code().name}: {error.details()}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
