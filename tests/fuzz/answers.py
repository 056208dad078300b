"""What a server may answer to anything: typed errors without a word of its inside."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc.status_pb2 import Status

from runward.v1 import errors_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.fuzz.messages import FuzzRequest

INSIDE = (b"Traceback", b'File "', b"runward_service", b"site-packages", b"sqlite", b"/tmp/")
LONGEST_STREAM_SECONDS = 0.5
LONGEST_CALL_SECONDS = 60.0


class WrongAnswerError(AssertionError):
    """The server answered what it must not."""


class Answers:
    """Sends requests, looks at each answer, and counts them by status."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Send over a channel."""
        self._channel = channel
        self.counts: Counter[str] = Counter()

    async def check_all(self, requests: Sequence[FuzzRequest]) -> None:
        """Send requests at once. Raises WrongAnswerError for the first answer that must not be."""
        await asyncio.gather(*map(self.check, requests))

    async def check(self, request: FuzzRequest) -> None:
        """Send one. Raises WrongAnswerError."""
        try:
            await self._send(request)
        except grpc.aio.AioRpcError as error:
            self.counts[error.code().name] += 1
            check_error(error, request)
        else:
            self.counts["OK"] += 1

    async def _send(self, request: FuzzRequest) -> None:
        path, method = request.path, request.method

        async def stream() -> AsyncIterator[bytes]:
            yield request.data

        if method.server_streaming:
            call: Any = self._channel.unary_stream(path)(request.data, timeout=LONGEST_STREAM_SECONDS)
            async for _ in call:
                continue
        elif method.client_streaming:
            await self._channel.stream_unary(path)(stream(), timeout=LONGEST_CALL_SECONDS)
        else:
            await self._channel.unary_unary(path)(request.data, timeout=LONGEST_CALL_SECONDS)


def check_error(error: grpc.aio.AioRpcError, request: FuzzRequest) -> None:
    """Raise WrongAnswerError for a status that tells of the inside, is a fault of the service, or has no envelope."""
    trailers = dict(error.trailing_metadata() or ())
    encoded = trailers.get("grpc-status-details-bin", b"")
    told = (error.details() or "").encode() + bytes(encoded)
    problem = next((f"tells {word!r}" for word in INSIDE if word in told), "")
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and request.method.server_streaming:
        return  # a stream that goes on
    envelope = errors_pb2.ErrorEnvelope()
    if encoded:
        Status.FromString(encoded).details[0].Unpack(envelope)
        reason = errors_pb2.ErrorReason.Name(envelope.error.reason)
        problem = problem or ("is a fault of the service" if reason == "ERROR_REASON_INTERNAL" else "")
    elif not (request.path.startswith("/grpc.health") and error.code() is grpc.StatusCode.NOT_FOUND):
        problem = problem or "has no envelope"
    if problem:
        answer = f"{error.code().name} {error.details()!r}"
        raise WrongAnswerError(f"{request!r}: {answer} {problem}")
