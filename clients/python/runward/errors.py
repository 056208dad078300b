"""What can go wrong, as exceptions.

Three classes carry the server's error envelope, one for each type that the specification knows: ValidationError,
PluginError and ExecutionError. TransportError stands for calls that no Runward server answered. All are RunwardError.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    import grpc

    from runward.job import Job


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """One error as the server recorded it: the public part of the specification's error envelope."""

    type: str
    """"ValidationError", "PluginError" or "ExecutionError"."""
    reason: str
    """Why, precisely: the name of an ErrorReason without its prefix, such as "MIME_TYPE_MISMATCH"."""
    message: str
    """For a person to read."""
    details: dict[str, Any] = field(default_factory=dict)
    """For a program: what the reason documents in errors.proto."""
    plugin: str = ""
    """The plugin concerned; empty where none is."""
    timestamp: datetime | None = None
    """When the error came up, UTC."""


class RunwardError(Exception):
    """The base of every error that this client raises on purpose.

    Attributes:
        message: for a person to read.
        reason: why, as a stable word, such as "QUEUE_FULL".
        details: for a program: what the reason documents in errors.proto.
        plugin: the plugin concerned; empty where none is.
        job_id: the job that failed; empty where no job was stored.
        code: the gRPC status of the call; None where the error was found in a job, or before anything was sent.
        retry_after: how long the server asks to wait before calling again; None where calling again does not help.
        timestamp: when the error came up, UTC; None where the server did not say.
    """

    type_name: ClassVar[str] = "RunwardError"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        details: Mapping[str, Any] | None = None,
        plugin: str = "",
        job_id: str = "",
        code: grpc.StatusCode | None = None,
        retry_after: timedelta | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.details: dict[str, Any] = dict(details or {})
        self.plugin = plugin
        self.job_id = job_id
        self.code = code
        self.retry_after = retry_after
        self.timestamp = timestamp

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.reason else self.message


class ValidationError(RunwardError, ValueError):
    """The request, or what the plugin returned, broke a rule.

    Also raised, without a code, for input that the client can tell is wrong before it sends anything.
    """

    type_name = "ValidationError"


class PluginError(RunwardError):
    """The plugin itself failed, or cannot be used."""

    type_name = "PluginError"


class ExecutionError(RunwardError):
    """The execution ended the job (time, memory, cancellation, a lost worker), or the service could not do its part."""

    type_name = "ExecutionError"


class TransportError(RunwardError):
    """No Runward server answered: none listens, the connection broke, or the call's deadline passed.

    `reason` is the name of the gRPC status, such as "UNAVAILABLE" or "DEADLINE_EXCEEDED", or "CLOSED" where this client
    was closed. Whether the server acted on the call is unknown, except where nothing listens.

    Attributes:
        target: the address that was called.
    """

    type_name = "TransportError"

    def __init__(self, message: str, *, target: str, reason: str, code: grpc.StatusCode | None = None) -> None:
        super().__init__(message, reason=reason, code=code)
        self.target = target


def error_from_info(
    info: ErrorInfo,
    *,
    job_id: str = "",
    code: grpc.StatusCode | None = None,
    retry_after: timedelta | None = None,
) -> RunwardError:
    """Make the exception of the class that info.type names; ExecutionError for a type that is not known here."""
    classes: dict[str, type[RunwardError]] = {kind.type_name: kind for kind in (ValidationError, PluginError)}
    return classes.get(info.type, ExecutionError)(
        info.message,
        reason=info.reason,
        details=info.details,
        plugin=info.plugin,
        job_id=job_id,
        code=code,
        retry_after=retry_after,
        timestamp=info.timestamp,
    )


def error_from_job(job: Job) -> RunwardError:
    """Make the exception for a job that ended FAILED. It has no gRPC code: the call that told of it was OK."""
    info = job.error or ErrorInfo("ExecutionError", "", "the job failed and the server did not say why", {}, job.plugin)
    return error_from_info(info, job_id=job.id)
