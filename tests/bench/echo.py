"""What the service is measured against: grpc.aio that answers a request's bytes, or with next to nothing, and does
nothing else.

A program of its own; prints its address when it takes calls, ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

METHOD = "/echo.Echo/Call"
TAKE = "/echo.Echo/Take"
STREAM = "/echo.Echo/Stream"
GO = "/echo.Echo/Go"
COUNT = "/echo.Echo/Count"
MAX_MESSAGE_BYTES = 66 * 1024 * 1024
READY = b"\x12\x00"
"""The first message of a stream, before it waits; a bookmark's first byte."""


class EchoHandler(grpc.GenericRpcHandler):  # type: ignore[misc, type-arg, unused-ignore]
    """Handle every method: bytes in, the same bytes out; of Take a few bytes; on a stream, once Go was called, as often
    as it says; of Count how many requests it answered with themselves.
    """

    def __init__(self) -> None:
        self._handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self._answer)
        self._take: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(take)
        self._stream: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(self._repeat)
        self._go: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self._begin)
        self._count: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self._tell)
        self._times: asyncio.Future[int] | None = None
        self._answered = 0

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Give the handler of a method."""
        return {TAKE: self._take, STREAM: self._stream, GO: self._go, COUNT: self._count}.get(
            details.method, self._handler
        )

    async def _answer(self, request: bytes, _context: object) -> bytes:
        self._answered += 1
        return request

    async def _tell(self, _request: bytes, _context: object) -> bytes:
        return str(self._answered).encode()

    async def _repeat(self, request: bytes, _context: object) -> AsyncIterator[bytes]:
        if self._times is None:
            self._times = asyncio.get_running_loop().create_future()
        yield READY
        for _ in range(await asyncio.shield(self._times)):
            yield request

    async def _begin(self, request: bytes, _context: object) -> bytes:
        assert self._times is not None
        self._times.set_result(int(request))
        self._times = None
        return request


async def take(request: bytes, _context: object) -> bytes:
    """Take a request, and answer it with how long it is."""
    return str(len(request)).encode()


async def serve() -> None:
    """Serve on a free port of the loopback interface until SIGTERM."""
    options = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES))
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers((EchoHandler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"127.0.0.1:{port}", flush=True)
    await stop.wait()
    await server.stop(None)


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
