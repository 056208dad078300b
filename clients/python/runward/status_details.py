"""What a failed call tells: its trailers, read into an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from runward.errors import ErrorInfo, ExecutionError, RunwardError, TransportError, error_from_info
from runward.job import error_info_from_proto
from runward.times import from_duration
from runward.v1 import errors_pb2

if TYPE_CHECKING:
    from datetime import timedelta

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "runward"


def error_from_call(failure: grpc.aio.AioRpcError, target: str, method: str) -> RunwardError:
    """Make the exception for a call that ended with a status other than OK.

    Statuses without Runward's details, or with details that cannot be read, become a TransportError; an UNIMPLEMENTED
    one of them an ExecutionError with NOT_IMPLEMENTED, for it comes from a server that does not know the method.
    """
    status = _read_details(failure)
    error = _error_from_details(status, failure.code()) if status is not None else None
    if error is not None:
        return error
    if failure.code() is grpc.StatusCode.UNIMPLEMENTED:
        message = f"the server at {target} does not offer {method}"
        return ExecutionError(message, reason="NOT_IMPLEMENTED", code=failure.code())
    return _transport_error(failure, target, method)


def _read_details(failure: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in failure.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                return None
            return status if status.code == failure.code().value[0] else None
    return None


def _error_from_details(status: status_pb2.Status, code: grpc.StatusCode) -> RunwardError | None:
    envelope = errors_pb2.ErrorEnvelope()
    cause = error_details_pb2.ErrorInfo()
    delay = error_details_pb2.RetryInfo()
    try:
        for detail in status.details:
            _ = detail.Unpack(envelope) or detail.Unpack(cause) or detail.Unpack(delay)
    except DecodeError:
        return None
    if cause.domain != DOMAIN:  # another's error, such as a proxy's
        return None
    retry_after: timedelta | None = from_duration(delay, "retry_delay")
    if envelope.HasField("error"):
        info = error_info_from_proto(envelope.error)
    else:
        info = ErrorInfo("ExecutionError", cause.reason, status.message)
    return error_from_info(info, job_id=cause.metadata.get("job_id", ""), code=code, retry_after=retry_after)


def _transport_error(failure: grpc.aio.AioRpcError, target: str, method: str) -> TransportError:
    code = failure.code()
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            message = f"cannot reach a Runward server at {target} ({failure.details()})"
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"the server at {target} did not answer {method} within the deadline"
        case _:
            message = f"{target} answered {method} with {code.name}, but not as a Runward server: {failure.details()}"
    return TransportError(message, target=target, reason=code.name, code=code)
