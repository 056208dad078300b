"""The one way in: who calls, what a malformed request gets, and how an error leaves the service."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from runward_service.api.arrivals import Arrivals
from runward_service.api.call_limits import RECEIVE_SECONDS
from runward_service.api.status import status_of_envelope, status_of_error
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS, Principal
from runward_service.domain.limits import MAX_CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping

    from runward_service.api.call_limits import CallLimits, Message
    from runward_service.api.status import CallStatus
    from runward_service.domain.envelope import ErrorEnvelope


WITH_IMAGE = frozenset({f"/runward.v1.ExecutionService/{name}" for name in ("Analyze", "SubmitJob")})
"""Methods whose request has one image, which may be large."""
PREFIXES = ("/runward.v1.", "/grpc.health.v1.")
MAX_STREAM_REQUEST_BYTES = 64 * 1024
MAX_CHUNK_MESSAGE_BYTES = MAX_CHUNK_BYTES + MAX_STREAM_REQUEST_BYTES
Handler: TypeAlias = Any
"""A grpc.RpcMethodHandler; its type stubs know the synchronous form alone."""
PAUSE_SECONDS = 5.0
"""Who sends nothing for so long is not on the way to send the rest of a request."""
PRINCIPAL: ContextVar[Principal] = ContextVar("principal", default=ANONYMOUS)
HELD: ContextVar[Message] = ContextVar("held")
"""The message of a unary call; who has no more use for its bytes while the call goes on lets it go."""

logger = logging.getLogger(__name__)


class JobFailed(Exception):  # noqa: N818 - an answer, carried as an exception to where statuses are made
    """An Analyze whose job failed."""

    def __init__(self, job_id: str, envelope: ErrorEnvelope) -> None:
        """Hold the job's id and its error."""
        super().__init__(job_id)
        self.job_id = job_id
        self.envelope = envelope


class CallInterceptor(grpc.GenericRpcHandler):
    """Stands before every method: the servicers are added to it, and it alone to the server.

    Wraps the methods of runward.v1 and of health; others pass as they are. A grpc.aio.ServerInterceptor would do the
    same for each call anew, with coroutines of its own.
    """

    def __init__(self, limits: CallLimits) -> None:
        """Start without methods; take no more calls and streams than the limits allow."""
        self._limits = limits
        self._generic: list[grpc.GenericRpcHandler] = []
        self._wrapped: dict[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Take a servicer's methods, as a server does."""
        self._generic += handlers

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Newer stubs name their methods a second time, for a server that looks them up by themselves."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """The handler of a method, wrapped; None for an unknown one."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            found = (generic.service(handler_call_details) for generic in self._generic)
            handler = next((one for one in found if one is not None), None)
            if handler is None or not method.startswith(PREFIXES):
                return handler
            wrapped = self._wrapped[method] = wrap(handler, self._limits, with_image=method in WITH_IMAGE)
        return wrapped


def wrap(handler: Handler, limits: CallLimits, *, with_image: bool) -> Handler:
    """A handler that decodes requests itself, so that what is malformed gets a typed error too; a large image apart
    from the rest of its request, where that has one.
    """
    if handler.request_streaming:
        return _wrap_stream_unary(handler, limits)
    if handler.response_streaming:
        return _wrap_unary_stream(handler, limits)
    return _wrap_unary_unary(handler, limits, with_image=with_image)


def _wrap_unary_unary(handler: Handler, limits: CallLimits, *, with_image: bool) -> Handler:
    """Registered as if its one request were a stream, so that a call can be refused before its message is read, and the
    message can be let go before the call has ended.
    """
    behaviour, decode, encode = handler.unary_unary, handler.request_deserializer, handler.response_serializer
    arrivals = Arrivals(lambda: limits.calls)

    async def call(_requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        message = None
        try:
            PRINCIPAL.set(ANONYMOUS)
            limits.enter()
            try:
                message = await limits.receive(context)
                HELD.set(message)
                if with_image:
                    if (turn := arrivals.enter()) is not None:
                        await turn
                    message.cut_image()
                return await behaviour(decoded(decode, message.take()), context)
            finally:
                limits.leave()
                if message is not None:
                    message.let_go()
        except Exception as error:  # noqa: BLE001 - every other error becomes a status here
            status = status_of_exception(error)
        return end_with(status, context)

    return grpc.stream_unary_rpc_method_handler(
        call, None, lambda answer: answer if type(answer) is bytes else encode(answer)
    )


def _wrap_unary_stream(handler: Handler, limits: CallLimits) -> Handler:
    behaviour, decode, encode = handler.unary_stream, handler.request_deserializer, handler.response_serializer

    async def call(_requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            PRINCIPAL.set(ANONYMOUS)
            with limits.watch(PRINCIPAL.get()):
                request = await limits.receive(context)
                request.let_go()  # what it comes to is small, and a watch may last for days
                async with aclosing(behaviour(decoded(decode, small(request.take())), context)) as messages:
                    async for message in messages:
                        # What many get is encoded once.
                        yield message if type(message) is bytes else encode(message)
        except Exception as error:  # noqa: BLE001 - every error becomes a status here
            status = status_of_exception(error)
        else:
            return
        end_with(status, context)

    return grpc.stream_stream_rpc_method_handler(call, None, None)


def _wrap_stream_unary(handler: Handler, limits: CallLimits) -> Handler:
    behaviour, decode = handler.stream_unary, handler.request_deserializer

    async def call(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        PRINCIPAL.set(ANONYMOUS)
        try:
            limits.enter()
        except GovernedError as error:
            return end_with(status_of_exception(error), context)
        try:
            answer, status = None, None
            try:
                async with aclosing(arriving(requests, decode)) as messages:
                    answer = await behaviour(messages, context)
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                status = status_of_exception(error)
            await passed_over(requests)
        finally:
            limits.leave()
        return answer if status is None else end_with(status, context)

    return grpc.stream_unary_rpc_method_handler(call, None, handler.response_serializer)


async def passed_over(requests: AsyncIterator[Any]) -> None:
    """Let the rest of a stream of requests go by while it keeps coming, for a time: where a call is answered before all
    was sent, the next message fails, and some clients take that for the answer.
    """
    with suppress(TimeoutError, StopAsyncIteration):
        async with asyncio.timeout(RECEIVE_SECONDS):
            while True:
                async with asyncio.timeout(PAUSE_SECONDS):
                    await anext(requests)


async def arriving(requests: AsyncIterator[bytes], decode: Callable[[bytes], Any]) -> AsyncGenerator[Any, None]:
    """The messages of a stream of requests, as they come. Raises GovernedError MALFORMED_REQUEST, also where the next
    one takes too long.
    """
    while True:
        try:
            async with asyncio.timeout(RECEIVE_SECONDS):
                raw = await anext(requests)
        except StopAsyncIteration:
            return
        except TimeoutError:
            message = f"The next message did not arrive within {RECEIVE_SECONDS:g} s."
            raise GovernedError(ErrorReason.MALFORMED_REQUEST, message) from None
        yield decoded(decode, small(raw, MAX_CHUNK_MESSAGE_BYTES))


def end_with(status: CallStatus, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """Set the status that a call ends with; what it returns then is not sent.

    Its abort would raise an exception that holds itself by its traceback, with all that the call holds: under a flood
    of refusals the collector would stop the loop for a fifth of a second to find them.
    """
    context.set_code(status.code)
    context.set_details(status.message)
    context.set_trailing_metadata(status.trailers)


def small(raw: bytes, limit: int = MAX_STREAM_REQUEST_BYTES) -> bytes:
    """A message of a stream's requests, of which the first is kept as long as the stream lasts. Raises GovernedError
    MALFORMED_REQUEST where it is larger than any that means something.
    """
    if len(raw) > limit:
        message = f"The request of a stream takes {len(raw)} bytes; at most {limit} are taken."
        raise GovernedError(ErrorReason.MALFORMED_REQUEST, message, {"limit_bytes": limit})
    return raw


def decoded(decode: Callable[[bytes], Any], raw: bytes) -> Any:
    """A request's message. Raises GovernedError MALFORMED_REQUEST."""
    try:
        return decode(raw)
    except DecodeError as error:
        message = "The request's bytes are not the message of this method."
        raise GovernedError(ErrorReason.MALFORMED_REQUEST, message) from error


def status_of_exception(error: Exception) -> CallStatus:
    """The status of what a method raised; a fault of ours is logged and says nothing of itself."""
    if isinstance(error, JobFailed):
        return status_of_envelope(error.envelope, error.job_id)
    if not isinstance(error, GovernedError):
        logger.error("a fault of the service", exc_info=error)
        error = GovernedError(ErrorReason.INTERNAL, "The service failed. Its operator finds the cause in its log.")
    return status_of_error(error)
