"""What the standard health service tells of a server, change by change."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class HealthWatch:
    """One Watch stream."""

    def __init__(self, call: Any) -> None:
        """Read a stream that was opened."""
        self._call = call

    async def becomes(self, status: int) -> None:
        """Read until the stream tells a status."""
        while (await self._call.read()).status != status:
            continue


@asynccontextmanager
async def health_watch(address: str, service: str = "") -> AsyncIterator[HealthWatch]:
    """Watch the health of a service that is SERVING, or about to be."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=service))
        watch = HealthWatch(call)
        await watch.becomes(SERVING)
        yield watch
        call.cancel()
