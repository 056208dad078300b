"""Error types and reasons, and the one exception that carries them up to where they become an envelope or a status."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class ErrorType(StrEnum):
    """Whose fault an error is; the values are the specification's words (its section 6)."""

    VALIDATION_ERROR = "ValidationError"
    PLUGIN_ERROR = "PluginError"
    EXECUTION_ERROR = "ExecutionError"


class ErrorReason(StrEnum):
    """Why, precisely; each reason is documented in proto/runward/v1/errors.proto."""

    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    INVALID_FIELD = "INVALID_FIELD"
    IMAGE_MISSING = "IMAGE_MISSING"
    MIME_TYPE_MISSING = "MIME_TYPE_MISSING"
    MIME_TYPE_MISMATCH = "MIME_TYPE_MISMATCH"
    MIME_TYPE_UNSUPPORTED = "MIME_TYPE_UNSUPPORTED"
    OPTIONS_INVALID = "OPTIONS_INVALID"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    TIMEOUT_INVALID = "TIMEOUT_INVALID"
    INPUT_REJECTED = "INPUT_REJECTED"
    OUTPUT_INVALID = "OUTPUT_INVALID"
    PLUGIN_NOT_FOUND = "PLUGIN_NOT_FOUND"
    PLUGIN_UNAVAILABLE = "PLUGIN_UNAVAILABLE"
    PLUGIN_RAISED = "PLUGIN_RAISED"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"
    MEMORY_LIMIT = "MEMORY_LIMIT"
    WORKER_LOST = "WORKER_LOST"
    INTERRUPTED = "INTERRUPTED"
    QUEUE_TIMEOUT = "QUEUE_TIMEOUT"
    JOB_NOT_FOUND = "JOB_NOT_FOUND"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    JOB_STATUS_CONFLICT = "JOB_STATUS_CONFLICT"
    REVISION_COMPACTED = "REVISION_COMPACTED"
    REVISION_AHEAD = "REVISION_AHEAD"
    BLOB_NOT_FOUND = "BLOB_NOT_FOUND"
    BLOB_CORRUPTED = "BLOB_CORRUPTED"
    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    QUEUE_FULL = "QUEUE_FULL"
    DRAINING = "DRAINING"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    INTERNAL = "INTERNAL"
    NOT_ATTESTED = "NOT_ATTESTED"
    TOO_MANY_CALLS = "TOO_MANY_CALLS"

    @property
    def error_type(self) -> ErrorType:
        """The type that errors with this reason have."""
        if self in PLUGIN_REASONS:
            return ErrorType.PLUGIN_ERROR
        if self in EXECUTION_REASONS:
            return ErrorType.EXECUTION_ERROR
        return ErrorType.VALIDATION_ERROR


PLUGIN_REASONS = frozenset({ErrorReason.PLUGIN_NOT_FOUND, ErrorReason.PLUGIN_UNAVAILABLE, ErrorReason.PLUGIN_RAISED})
EXECUTION_REASONS = frozenset(
    {
        ErrorReason.TIMEOUT,
        ErrorReason.CANCELLED,
        ErrorReason.MEMORY_LIMIT,
        ErrorReason.WORKER_LOST,
        ErrorReason.INTERRUPTED,
        ErrorReason.QUEUE_TIMEOUT,
        ErrorReason.BLOB_CORRUPTED,
        ErrorReason.QUEUE_FULL,
        ErrorReason.DRAINING,
        ErrorReason.STORE_UNAVAILABLE,
        ErrorReason.NOT_IMPLEMENTED,
        ErrorReason.INTERNAL,
        ErrorReason.NOT_ATTESTED,
        ErrorReason.TOO_MANY_CALLS,
    }
)


class GovernedError(Exception):
    """An error with a reason that a caller may read.

    ``message`` is a sentence for a person and holds nothing secret; ``details`` is JSON-able, for a program;
    ``plugin`` is a plugin's name or empty; ``internal`` is what only the server's own host may read (a traceback);
    ``retryable`` tells that the plugin's retry policy asks for another attempt.
    """

    def __init__(
        self,
        reason: ErrorReason,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        plugin: str = "",
        internal: str = "",
        retryable: bool = False,
    ) -> None:
        """Hold the parts."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.plugin = plugin
        self.internal = internal
        self.retryable = retryable
