"""A real gRPC server over the built service, and how its refusals are read."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from runward.v1 import (
    blobs_pb2,
    blobs_pb2_grpc,
    errors_pb2,
    governance_pb2,
    jobs_pb2,
    jobs_pb2_grpc,
    plugins_pb2,
    plugins_pb2_grpc,
)
from runward_service.server import bind, make_server
from tests.harness.service import PNG, running_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from google.protobuf.descriptor import MethodDescriptor

    from runward_service.api.health_servicer import HealthServicer
    from runward_service.service import Service

MODULES = (jobs_pb2, plugins_pb2, blobs_pb2, governance_pb2)
METHODS: list[MethodDescriptor] = [
    method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
"""Every method of runward.v1."""


@dataclass(slots=True)
class Api:
    """The server as a client has it, and what lies behind."""

    service: Service
    health: HealthServicer
    channel: grpc.aio.Channel
    jobs: jobs_pb2_grpc.ExecutionServiceAsyncStub
    plugins: plugins_pb2_grpc.PluginServiceAsyncStub
    blobs: blobs_pb2_grpc.BlobServiceAsyncStub

    def raw(self, method: MethodDescriptor, request: bytes) -> Awaitable[Any]:
        """Call a method with any bytes; the answer, or the first message of a stream."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        if method.client_streaming:

            async def requests() -> AsyncIterator[bytes]:
                yield request

            return self.channel.stream_unary(path)(requests())
        if method.server_streaming:
            return anext(aiter(self.channel.unary_stream(path)(request)))
        return self.channel.unary_unary(path)(request)


@asynccontextmanager
async def serving(folder: Path, *plugins: str, **settings: Any) -> AsyncIterator[Api]:
    """A server on a free port with some of the sample plugins."""
    async with running_service(folder, *plugins, **settings) as service:
        server, health = make_server(service)
        port = bind(server, "127.0.0.1:0")
        await server.start()
        options = (("grpc.max_send_message_length", 100 << 20),)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            yield Api(
                service,
                health,
                channel,
                jobs_pb2_grpc.ExecutionServiceStub(channel),  # type: ignore[arg-type]
                plugins_pb2_grpc.PluginServiceStub(channel),  # type: ignore[arg-type]
                blobs_pb2_grpc.BlobServiceStub(channel),  # type: ignore[arg-type]
            )
        health.stop_serving()
        await service.drain(0)
        await server.stop(None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call ended, checked: code and details agree."""

    code: grpc.StatusCode
    reason: str
    type: str
    message: str
    details: dict[str, Any]
    plugin: str
    metadata: dict[str, str]
    retry_seconds: float | None
    trailer_bytes: int


async def refused(call: Awaitable[Any]) -> Refusal:
    """The refusal of a call, its details checked against each other."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return read(error)
    raise AssertionError(f"it was not refused, but answered {answer!r}")


def read(error: grpc.aio.AioRpcError) -> Refusal:
    """A call's end as the API promises it: an envelope, an ErrorInfo, and RetryInfo or not."""
    trailers = dict(error.trailing_metadata() or ())
    status = Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    envelope, info = errors_pb2.ErrorEnvelope(), ErrorInfo()
    assert status.details[0].Unpack(envelope)
    assert status.details[1].Unpack(info)
    retry = RetryInfo()
    has_retry = len(status.details) > 2 and status.details[2].Unpack(retry)
    public = envelope.error
    reason = errors_pb2.ErrorReason.Name(public.reason).removeprefix("ERROR_REASON_")
    assert (info.domain, info.reason) == ("runward", reason)
    assert public.message == status.message
    assert public.timestamp.seconds > 1_700_000_000
    return Refusal(
        error.code(),
        reason,
        errors_pb2.ErrorType.Name(public.type).removeprefix("ERROR_TYPE_"),
        public.message,
        MessageToDict(public.details),
        public.plugin,
        dict(info.metadata),
        retry.retry_delay.ToTimedelta().total_seconds() if has_retry else None,
        len(trailers["grpc-status-details-bin"]),
    )


def payload(image: bytes = PNG, mime_type: str = "image/png", **options: Any) -> jobs_pb2.Payload:
    """A payload, valid where nothing else is said."""
    message = jobs_pb2.Payload(image=image, mime_type=mime_type)
    if options:
        message.options.update(options)
    return message
