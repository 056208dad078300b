"""One channel to one server: every call goes through here, with its deadline, its retries and its errors."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar, cast

import grpc.aio
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from runward.channel import HARMLESS_TWICE, open_channel
from runward.errors import RunwardError, TransportError
from runward.retry import RetryPolicy, connection_broke, wait_after, was_refused
from runward.status_details import error_from_call
from runward.v1 import blobs_pb2_grpc, governance_pb2_grpc, jobs_pb2_grpc, plugins_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from google.protobuf.message import Message

_Request = TypeVar("_Request", bound="Message")
_Response = TypeVar("_Response")

_HARMLESS_TWICE = frozenset(method for methods in HARMLESS_TWICE.values() for method in methods)


class Connection:
    """An open channel with its stubs.

    A call that ended UNAVAILABLE is made again where that cannot run anything twice: by the channel for methods that do
    no harm when they run twice (channel.py), here for the others, and then only where the server itself said, by
    Runward's details, that it accepted nothing, or the request has an id by which the server knows it again. A
    connection that breaks under an Analyze means no second run, unless the server was killed within 10 ms of its start.
    """

    def __init__(self, target: str, retry: RetryPolicy, deadline: float | None) -> None:
        self.target = target
        self.retry = retry
        self.deadline = deadline
        self._closed = False
        self._channel = open_channel(target, retry, version("runward"))
        # The generated AsyncStub classes exist for type checkers alone.
        self.execution = cast(
            "jobs_pb2_grpc.ExecutionServiceAsyncStub", jobs_pb2_grpc.ExecutionServiceStub(self._channel)
        )
        self.plugins = cast(
            "plugins_pb2_grpc.PluginServiceAsyncStub", plugins_pb2_grpc.PluginServiceStub(self._channel)
        )
        self.blobs = cast("blobs_pb2_grpc.BlobServiceAsyncStub", blobs_pb2_grpc.BlobServiceStub(self._channel))
        self.governance = cast(
            "governance_pb2_grpc.GovernanceServiceAsyncStub", governance_pb2_grpc.GovernanceServiceStub(self._channel)
        )
        # The health service's stubs are in a distribution that clients need not install. Its request is one string in
        # field 1 and its answer one enum in field 1, as these wrappers have them.
        self.check_health: grpc.aio.UnaryUnaryMultiCallable[StringValue, Int32Value] = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=StringValue.SerializeToString,
            response_deserializer=Int32Value.FromString,
        )

    async def close(self) -> None:
        """Close the channel. Calls in flight end with a TransportError (CLOSED). Closing twice does no harm."""
        self._closed = True
        await self._channel.close()

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        *,
        name: str,
        deadline: float | None,
        replay: bool = False,
    ) -> _Response:
        """Make one unary call and give its answer.

        Args:
            method: the stub's method.
            request: its request.
            name: the method's name in the proto.
            deadline: seconds for the call with all its attempts; None: no limit.
            replay: whether the call does no harm when it runs twice for a reason of its own, such as a request id.

        Raises:
            RunwardError: the server refused, or did not answer.
        """
        loop = asyncio.get_running_loop()
        end = None if deadline is None else loop.time() + deadline
        attempt = 1
        while True:
            left = None if end is None else end - loop.time()
            try:
                return await self._attempt(method, request, name, left)
            except RunwardError as error:
                wait = self._wait(error, attempt, replay=replay) if name not in _HARMLESS_TWICE else None
                if wait is None or (end is not None and loop.time() + wait >= end):
                    raise
            await asyncio.sleep(wait)
            attempt += 1

    def _wait(self, error: RunwardError, attempt: int, *, replay: bool) -> float | None:
        """Give the seconds to wait before calling again; None to give up."""
        if attempt >= self.retry.attempts or not (was_refused(error) or (replay and connection_broke(error))):
            return None
        return wait_after(error, attempt, self.retry)

    async def _attempt(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        name: str,
        timeout: float | None,  # noqa: ASYNC109 -- gRPC's own, sent to the server
    ) -> _Response:
        self._check_open()
        try:
            return await method(request, timeout=timeout)
        except grpc.aio.AioRpcError as failure:
            raise error_from_call(failure, self.target, name) from None
        except asyncio.CancelledError:
            self._check_cancelled_by_caller()
            raise

    async def send(
        self,
        method: grpc.aio.StreamUnaryMultiCallable[_Request, _Response],
        requests: AsyncGenerator[_Request, None],
        *,
        name: str,
        deadline: float | None,
    ) -> _Response:
        """Make one call that sends a stream of messages and give its answer, which may come before all are sent.

        Raises:
            RunwardError: the server refused, or did not answer.
        """
        self._check_open()
        try:
            return await method(requests, timeout=deadline)
        except grpc.aio.AioRpcError as failure:
            raise error_from_call(failure, self.target, name) from None
        except asyncio.CancelledError:
            self._check_cancelled_by_caller()
            raise
        finally:
            await requests.aclose()

    async def stream(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[_Request, _Response],
        request: _Request,
        *,
        name: str,
        deadline: float | None,
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[_Response, None]:
        """Make one streaming call and yield its messages; it is cancelled when the iterator is closed before its end.
        `on_open` is called once the server has taken the call.

        Raises:
            RunwardError: the server refused, did not answer, or the stream broke.
        """
        self._check_open()
        call = method(request, timeout=deadline)
        try:
            await call.initial_metadata()
            if not call.done():
                on_open()
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as failure:
            raise error_from_call(failure, self.target, name) from None
        except asyncio.CancelledError:
            self._check_cancelled_by_caller()
            raise
        finally:
            call.cancel()

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed_error()

    def _check_cancelled_by_caller(self) -> None:
        """Tell a caller who cancelled from a call that close() ended: gRPC raises CancelledError for both."""
        task = asyncio.current_task()
        if self._closed and task is not None and not task.cancelling():
            raise self._closed_error() from None

    def _closed_error(self) -> TransportError:
        return TransportError("this client is closed", target=self.target, reason="CLOSED")
