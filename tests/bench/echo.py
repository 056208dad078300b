"""What the service is measured against: grpc.aio that answers a request's bytes, and does nothing else.

A program of its own; prints its address when it takes calls, ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import grpc

METHOD = "/echo.Echo/Call"


class EchoHandler(grpc.GenericRpcHandler):  # type: ignore[misc, type-arg, unused-ignore]
    """Handle every method: bytes in, the same bytes out."""

    def __init__(self) -> None:
        self._handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Give the handler of a method."""
        return self._handler


async def answer(request: bytes, _context: object) -> bytes:
    """Answer a request with itself."""
    return request


async def serve() -> None:
    """Serve on a free port of the loopback interface until SIGTERM."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
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
