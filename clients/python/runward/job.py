"""Job: one request to run a plugin, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runward.enums import JobStatus, enum_from_proto
from runward.errors import ErrorInfo
from runward.structs import from_struct
from runward.times import from_duration, from_timestamp
from runward.v1 import errors_pb2, jobs_pb2

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_TYPES = {
    errors_pb2.ERROR_TYPE_VALIDATION_ERROR: "ValidationError",
    errors_pb2.ERROR_TYPE_PLUGIN_ERROR: "PluginError",
    errors_pb2.ERROR_TYPE_EXECUTION_ERROR: "ExecutionError",
}


@dataclass(frozen=True, slots=True)
class PayloadInfo:
    """What a job runs on; never the image itself."""

    image_digest: str
    """"sha256:<hex>"."""
    size_bytes: int
    mime_type: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run says it is."""

    fraction: float
    """From 0 to 1."""
    message: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a run gave back."""

    name: str
    digest: str
    """"sha256:<hex>"."""
    size_bytes: int
    mime_type: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the server attests of the end of a job, for who has its key (docs/receipts.md)."""

    document: str
    """RFC 8785 JSON, over whose bytes the MAC is."""
    mac: str
    """HMAC-SHA256, in hexadecimal digits."""
    key_id: str
    sequence: int
    """Its place in the server's chain of receipts."""
    chain_mac: str


@dataclass(frozen=True, slots=True)
class Job:
    """One request to run a plugin, as at `revision`. Fields are those of the proto's Job; times are UTC datetimes."""

    id: str
    plugin: str
    plugin_version: str
    status: JobStatus
    payload: PayloadInfo
    result: dict[str, Any] | None
    """What the plugin returned, whole numbers as int; None unless SUCCESS, and in lists."""
    error: ErrorInfo | None
    """Why it failed; None unless FAILED."""
    create_time: datetime | None
    start_time: datetime | None
    """When its first attempt began; None while PENDING."""
    end_time: datetime | None
    attempt: int
    """Which attempt this is, from 1; 0 while none has begun."""
    progress: Progress | None
    labels: dict[str, str]
    request_id: str
    priority: int
    revision: int
    """The place of this state in the server's event log."""
    cached: bool
    output_digest: str
    artifacts: tuple[Artifact, ...]
    retention: timedelta | None
    """How long it is kept after its end; None: as long as the server keeps jobs."""
    retry_of: str
    """The id of the failed job whose input it has; empty for others."""
    receipt: Receipt | None
    """What the server attests of its end; None in lists and watches, and where it has none."""

    @classmethod
    def from_proto(cls, job: jobs_pb2.Job) -> Job:
        """Read a Job message. Raises RunwardError for a status that this client does not know."""
        payload = job.payload
        return cls(
            id=job.id,
            plugin=job.plugin,
            plugin_version=job.plugin_version,
            status=enum_from_proto(JobStatus, jobs_pb2.JobStatus.Name, "JOB_STATUS_", job.status),
            payload=PayloadInfo(
                payload.image_digest, payload.size_bytes, payload.mime_type, from_struct(payload.options)
            ),
            result=from_struct(job.result) if job.HasField("result") else None,
            error=error_info_from_proto(job.error.error) if job.HasField("error") else None,
            create_time=from_timestamp(job, "create_time"),
            start_time=from_timestamp(job, "start_time"),
            end_time=from_timestamp(job, "end_time"),
            attempt=job.attempt,
            progress=Progress(job.progress.fraction, job.progress.message) if job.HasField("progress") else None,
            labels=dict(job.labels),
            request_id=job.request_id,
            priority=job.priority,
            revision=job.revision,
            cached=job.cached,
            output_digest=job.output_digest,
            artifacts=tuple(Artifact(a.name, a.digest, a.size_bytes, a.mime_type) for a in job.artifacts),
            retention=from_duration(job, "retention"),
            retry_of=job.retry_of,
            receipt=receipt_from_proto(job.receipt) if job.HasField("receipt") else None,
        )


def receipt_from_proto(receipt: jobs_pb2.Receipt) -> Receipt:
    """Read a Receipt message."""
    return Receipt(receipt.document, receipt.mac, receipt.key_id, receipt.sequence, receipt.chain_mac)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A place in the server's event log up to which a watch has sent everything that fits; resume from it."""

    revision: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Jobs as they were, and the revision after which a watch sends whatever has changed since."""

    jobs: tuple[Job, ...]
    revision: int


def error_info_from_proto(error: errors_pb2.Error) -> ErrorInfo:
    """Read an Error message. A reason newer than this client is named by its number, such as "REASON_77"."""
    try:
        reason = errors_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
    except ValueError:
        reason = f"REASON_{error.reason}"
    return ErrorInfo(
        type=_TYPES.get(error.type, "ExecutionError"),
        reason=reason,
        message=error.message,
        details=from_struct(error.details),
        plugin=error.plugin,
        timestamp=from_timestamp(error, "timestamp"),
    )
