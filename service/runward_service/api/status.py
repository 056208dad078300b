"""Errors as gRPC statuses: the one table from reasons to codes, and the details that travel with a status."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from runward_service.api.conversion import envelope_to_proto
from runward_service.domain.clock import now_us
from runward_service.domain.envelope import ErrorEnvelope, envelope_of
from runward_service.domain.errors import ErrorReason

if TYPE_CHECKING:
    from runward.v1 import errors_pb2
    from runward_service.domain.errors import GovernedError

DOMAIN = "runward"
DETAILS_KEY = "grpc-status-details-bin"
MAX_TRAILER_BYTES = 7 * 1024
"""Peers refuse more than 8 KiB of metadata, and the caller would see that instead of the error."""
SHORT_MESSAGE = 150
BATCH_REFUSAL_BYTES = 1200
SHORT_MESSAGE_BYTES = 900
"""What is left of a message that is too long: it is sent twice in base64, once percent-encoded, up to threefold."""

REASON_CODES: dict[ErrorReason, grpc.StatusCode] = {
    ErrorReason.MALFORMED_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.INVALID_FIELD: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.IMAGE_MISSING: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.MIME_TYPE_MISSING: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.MIME_TYPE_MISMATCH: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.MIME_TYPE_UNSUPPORTED: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.OPTIONS_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.IMAGE_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.TIMEOUT_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.INPUT_REJECTED: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorReason.OUTPUT_INVALID: grpc.StatusCode.INTERNAL,
    ErrorReason.PLUGIN_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.PLUGIN_UNAVAILABLE: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.PLUGIN_RAISED: grpc.StatusCode.INTERNAL,
    ErrorReason.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorReason.CANCELLED: grpc.StatusCode.CANCELLED,
    ErrorReason.MEMORY_LIMIT: grpc.StatusCode.INTERNAL,
    ErrorReason.WORKER_LOST: grpc.StatusCode.INTERNAL,
    ErrorReason.INTERRUPTED: grpc.StatusCode.INTERNAL,
    ErrorReason.QUEUE_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorReason.JOB_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.REQUEST_ID_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    ErrorReason.JOB_STATUS_CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.REVISION_COMPACTED: grpc.StatusCode.OUT_OF_RANGE,
    ErrorReason.REVISION_AHEAD: grpc.StatusCode.OUT_OF_RANGE,
    ErrorReason.BLOB_NOT_FOUND: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.BLOB_CORRUPTED: grpc.StatusCode.DATA_LOSS,
    ErrorReason.BLOB_UNKNOWN: grpc.StatusCode.NOT_FOUND,
    ErrorReason.QUEUE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.DRAINING: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.NOT_IMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    ErrorReason.INTERNAL: grpc.StatusCode.INTERNAL,
    ErrorReason.NOT_ATTESTED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.TOO_MANY_CALLS: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

# Where the details say nothing of it.
RETRY_SECONDS: dict[ErrorReason, float] = {
    ErrorReason.QUEUE_FULL: 1.0,
    ErrorReason.TOO_MANY_CALLS: 1.0,
    ErrorReason.DRAINING: 1.0,
    ErrorReason.STORE_UNAVAILABLE: 2.0,
}


@dataclass(frozen=True, slots=True)
class CallStatus:
    """How a call ends: code, message, and the trailing metadata with the details."""

    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, bytes], ...]


def status_of_error(error: GovernedError) -> CallStatus:
    """The status of a call that is refused."""
    job_id = str(error.details.get("job_id", "")) if error.reason is ErrorReason.INTERNAL else ""
    return status_of_envelope(envelope_of(error, plugin="", time_us=now_us()), job_id)


def status_of_envelope(envelope: ErrorEnvelope, job_id: str = "") -> CallStatus:
    """The status with an envelope; ``job_id`` names the job that failed, if there is one."""
    message = envelope.message
    status = _encode(envelope, message, job_id)
    if _metadata_bytes(message, status) > MAX_TRAILER_BYTES:
        envelope = shortened(envelope)
        message = envelope.message
        status = _encode(envelope, message, job_id)
    return CallStatus(REASON_CODES[envelope.reason], message, ((DETAILS_KEY, status),))


def shortened(envelope: ErrorEnvelope) -> ErrorEnvelope:
    """An envelope with the beginning of its message and without its details."""
    message = envelope.message.encode()[:SHORT_MESSAGE_BYTES].decode(errors="ignore")
    return ErrorEnvelope(envelope.reason, message, {"truncated": True}, envelope.plugin, envelope.time_us)


def refusal_in_batch(error: GovernedError) -> errors_pb2.ErrorEnvelope:
    """The envelope of one refused request among many, whose answers together have to fit into one message."""
    envelope = envelope_of(error, plugin="", time_us=now_us())
    message = envelope_to_proto(envelope)
    return message if message.ByteSize() <= BATCH_REFUSAL_BYTES else envelope_to_proto(shortened(envelope))


def _encode(envelope: ErrorEnvelope, message: str, job_id: str) -> bytes:
    status = Status(code=REASON_CODES[envelope.reason].value[0], message=message)
    status.details.add().Pack(envelope_to_proto(envelope))
    info = ErrorInfo(reason=envelope.reason.value, domain=DOMAIN)
    if job_id:
        info.metadata["job_id"] = job_id
    if envelope.plugin:
        info.metadata["plugin"] = envelope.plugin
    status.details.add().Pack(info)
    if envelope.reason in RETRY_SECONDS:
        delay = Duration()
        seconds = float(envelope.details.get("retry_seconds", RETRY_SECONDS[envelope.reason]))
        delay.FromNanoseconds(int(seconds * 1e9))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    encoded: bytes = status.SerializeToString()
    return encoded


def _metadata_bytes(message: str, status: bytes) -> int:
    """What the message (percent-encoded) and the status (base64) take in the trailers; for a short message, at most."""
    if len(message) <= SHORT_MESSAGE:
        return (
            12 * len(message) + len(status) * 4 // 3 + 4
        )  # no more work than needed: under overload most calls end here
    return len(quote(message)) + len(base64.b64encode(status))
