"""Requests of runward.v1 as domain objects, with the checks that need no plugin."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from runward_service.domain.digests import DIGEST
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobMode, JobRequest, JobStatus
from runward_service.store.job_reader import JobQuery
from runward_service.watch.log_watcher import FROM_NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.struct_pb2 import Struct, Value
    from google.protobuf.timestamp_pb2 import Timestamp

    from runward.v1 import jobs_pb2
    from runward_service.domain.job import Principal

MAX_REQUEST_ID = 128
MAX_LABELS = 32
MAX_LABEL_KEY = 63
MAX_LABEL_VALUE = 255
MAX_PRIORITY = 1000
MAX_MIME_TYPE = 255
MAX_OPTIONS_BYTES = 256 * 1024
"""They are converted on the loop and travel with the job in every answer."""
MAX_OPTIONS_DEPTH = 25
MAX_PAGE = 1000
DEFAULT_PAGE = 50
MAX_STATUSES = 16
"""There are four; a request has room for millions, and each takes the loop a microsecond."""
MAX_BATCH = 1000
MAX_BATCH_ECHO_BYTES = 2 * 1024 * 1024
"""What a batch's requests may hold beside their images: the jobs of the answer hold it too, and a stock client reads
four mebibytes.
"""
MAX_SECONDS = 10 * 365 * 86_400
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
"""What a Timestamp spans: the years 1 to 9999."""
EXACT_INTEGERS = 2.0**53


def invalid_field(field: str, message: str) -> GovernedError:
    """The refusal of one field."""
    return GovernedError(ErrorReason.INVALID_FIELD, f"{field} {message}", {"field": field})


def required(field: str, value: str) -> str:
    """A text that must not be empty."""
    if not value:
        raise invalid_field(field, "is missing or empty.")
    return value


def analyze_request(
    message: jobs_pb2.AnalyzeRequest, principal: Principal, image: memoryview | None = None
) -> JobRequest:
    """An AnalyzeRequest, whose ``image`` may have been taken apart. Raises GovernedError INVALID_FIELD, OPTIONS_INVALID
    or TIMEOUT_INVALID.
    """
    return _job_request(message, image, principal, JobMode.SYNC, 0, 0)


def submit_request(
    message: jobs_pb2.SubmitJobRequest, principal: Principal, image: memoryview | None = None
) -> JobRequest:
    """A SubmitJobRequest. Raises as analyze_request."""
    if abs(message.priority) > MAX_PRIORITY:
        raise invalid_field("priority", f"must be from -{MAX_PRIORITY} to {MAX_PRIORITY}.")
    queue_timeout_us = _microseconds(message.queue_timeout) if message.HasField("queue_timeout") else 0
    if queue_timeout_us is None or queue_timeout_us < 0:
        raise invalid_field("queue_timeout", "must not be negative nor longer than ten years.")
    return _job_request(message, image, principal, JobMode.ASYNC, message.priority, queue_timeout_us)


def batch_requests(message: jobs_pb2.BatchSubmitJobsRequest, principal: Principal) -> list[JobRequest | GovernedError]:
    """The requests of a BatchSubmitJobsRequest in order, each converted or with why it is refused.

    Raises GovernedError INVALID_FIELD for a batch that is too large as a whole.
    """
    if len(message.requests) > MAX_BATCH:
        raise invalid_field("requests", f"has {len(message.requests)} entries; send at most {MAX_BATCH} at once.")
    # Before any is converted, which takes the loop a while where there is much of it.
    echoed = sum(request.ByteSize() - len(request.payload.image) for request in message.requests)
    if echoed > MAX_BATCH_ECHO_BYTES:
        problem = f"holds {echoed} bytes beside the images; at most {MAX_BATCH_ECHO_BYTES} are taken at once."
        raise invalid_field("requests", f"{problem} Send several batches.")
    converted: list[JobRequest | GovernedError] = []
    for request in message.requests:
        try:
            converted.append(submit_request(request, principal))
        except GovernedError as error:
            converted.append(error)
    return converted


def _job_request(  # noqa: PLR0917 - what a request is made of
    message: jobs_pb2.AnalyzeRequest | jobs_pb2.SubmitJobRequest,
    image: memoryview | None,
    principal: Principal,
    mode: JobMode,
    priority: int,
    queue_timeout_us: int,
) -> JobRequest:
    plugin = required("plugin", message.plugin)
    request_id = _request_id(message.request_id)
    payload = message.payload
    if len(payload.mime_type) > MAX_MIME_TYPE:
        raise invalid_field("payload.mime_type", f"has at most {MAX_MIME_TYPE} characters.")
    by_digest = payload.WhichOneof("source") == "image_digest"
    timeout_us = _microseconds(message.timeout) if message.HasField("timeout") else 0
    if timeout_us is None:
        raise GovernedError(ErrorReason.TIMEOUT_INVALID, "timeout is no Duration.", plugin=plugin)
    return JobRequest(
        plugin=plugin,
        image=payload.image if image is None else image,
        mime_type=payload.mime_type.strip().lower(),
        options=options_of(payload.options) if payload.HasField("options") else {},
        mode=mode,
        principal=principal,
        timeout_us=timeout_us,
        queue_timeout_us=queue_timeout_us,
        request_id=request_id,
        priority=priority,
        labels=_labels(message.labels) if message.labels else {},
        retention_us=_retention(message.retention) if message.HasField("retention") else 0,
        image_digest=digest_of("payload.image_digest", payload.image_digest) if by_digest else "",
        skip_cache=message.skip_cache,
    )


def digest_of(field: str, value: str) -> str:
    """A digest. Raises GovernedError INVALID_FIELD for what is none."""
    if not DIGEST.match(value):
        raise invalid_field(field, 'must be "sha256:" and 64 hexadecimal digits in lower case.')
    return value


def _retention(value: Duration) -> int:
    retention_us = _microseconds(value)
    if retention_us is None or retention_us < 0:
        raise invalid_field("retention", "must not be negative nor longer than ten years.")
    return retention_us


def retry_request(message: jobs_pb2.RetryJobRequest) -> tuple[str, str]:
    """A RetryJobRequest as (job id, request id). Raises GovernedError INVALID_FIELD."""
    return required("job_id", message.job_id), _request_id(message.request_id)


def _request_id(value: str) -> str:
    if len(value) > MAX_REQUEST_ID:
        raise invalid_field("request_id", f"has at most {MAX_REQUEST_ID} characters.")
    return value


def _labels(labels: Any) -> dict[str, str]:
    if len(labels) > MAX_LABELS:
        raise invalid_field("labels", f"has at most {MAX_LABELS} entries.")
    for key, value in labels.items():
        if not 1 <= len(key) <= MAX_LABEL_KEY or len(value) > MAX_LABEL_VALUE:
            limits = f"takes keys of 1 to {MAX_LABEL_KEY} characters and values up to {MAX_LABEL_VALUE}"
            raise invalid_field("labels", f"{limits}.")
    return dict(labels)


def _microseconds(value: Duration) -> int | None:
    """A Duration in microseconds, rounded away from zero; None when it is none or too long."""
    wrong_sign = value.seconds * value.nanos < 0
    if wrong_sign or abs(value.nanos) >= 10**9 or abs(value.seconds) > MAX_SECONDS:
        return None
    nanoseconds = value.seconds * 10**9 + value.nanos
    return -(-nanoseconds // 1000) if nanoseconds > 0 else nanoseconds // 1000


def options_of(options: Struct) -> dict[str, Any]:
    """Options as a plugin gets them, whole numbers as int. Raises GovernedError OPTIONS_INVALID for what is no JSON."""
    if options.ByteSize() > MAX_OPTIONS_BYTES:
        message = f"payload.options takes {options.ByteSize()} bytes; at most {MAX_OPTIONS_BYTES} are taken."
        raise GovernedError(ErrorReason.OPTIONS_INVALID, message, {"path": "$", "limit_bytes": MAX_OPTIONS_BYTES})
    return {key: _python_value(value, f"$.{key}", 2) for key, value in options.fields.items()}


def _python_value(value: Value, path: str, depth: int) -> Any:
    kind = value.WhichOneof("kind")
    if depth > MAX_OPTIONS_DEPTH and kind in {"struct_value", "list_value"}:
        message = f"payload.options is nested more than {MAX_OPTIONS_DEPTH} deep."
        raise GovernedError(ErrorReason.OPTIONS_INVALID, message, {"path": path[:200]})
    if kind == "number_value":
        number = value.number_value
        if not math.isfinite(number):
            raise GovernedError(ErrorReason.OPTIONS_INVALID, f"{path[:200]} is no JSON number.", {"path": path[:200]})
        return int(number) if number.is_integer() and abs(number) <= EXACT_INTEGERS else number
    if kind == "struct_value":
        fields = value.struct_value.fields
        return {key: _python_value(item, f"{path}.{key}", depth + 1) for key, item in fields.items()}
    if kind == "list_value":
        return [
            _python_value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value.list_value.values)
        ]
    if kind == "null_value":
        return None
    if kind is None:
        raise GovernedError(ErrorReason.OPTIONS_INVALID, f"{path[:200]} holds no value.", {"path": path[:200]})
    return getattr(value, kind)


def list_request(message: jobs_pb2.ListJobsRequest, principal: Principal) -> tuple[JobQuery, int, int]:
    """A ListJobsRequest as (query, page size, where the page starts). Raises GovernedError INVALID_FIELD."""
    if message.page_size < 0:
        raise invalid_field("page_size", "must not be negative.")
    query = JobQuery(
        tenant=principal.tenant,
        plugin=message.plugin,
        statuses=_statuses(message.statuses),
        labels=_labels(message.labels),
        create_time_from_us=_time(message, "create_time_from"),
        create_time_before_us=_time(message, "create_time_before"),
    )
    size = min(message.page_size or DEFAULT_PAGE, MAX_PAGE)
    return query, size, _page_start(message.page_token, query)


def watch_request(message: jobs_pb2.WatchJobsRequest, principal: Principal) -> tuple[JobQuery, int]:
    """A WatchJobsRequest as (query, cursor). Raises GovernedError INVALID_FIELD."""
    if message.after_revision < FROM_NOW:
        raise invalid_field("after_revision", "must be a revision, 0 for the whole log or -1 for what comes.")
    labels = _labels(message.labels)
    query = JobQuery(principal.tenant, message.plugin, statuses=_statuses(message.statuses), labels=labels)
    return query, message.after_revision


def _statuses(values: Sequence[int]) -> tuple[JobStatus, ...]:
    if len(values) > MAX_STATUSES:
        raise invalid_field("statuses", f"has at most {MAX_STATUSES} entries.")
    try:
        return tuple(sorted({JobStatus(value) for value in values}))
    except ValueError:
        raise invalid_field("statuses", "holds a value that is no job status.") from None


def _time(message: jobs_pb2.ListJobsRequest, field: str) -> int:
    """A Timestamp in microseconds, at least 1; 0 when it is absent. Raises GovernedError INVALID_FIELD."""
    if not message.HasField(field):  # type: ignore[arg-type]
        return 0
    value: Timestamp = getattr(message, field)
    if not FIRST_SECOND <= value.seconds <= LAST_SECOND or not 0 <= value.nanos < 10**9:
        raise invalid_field(field, "is no Timestamp.")
    return max(value.seconds * 1_000_000 + value.nanos // 1000, 1)


def page_token(query: JobQuery, before: int) -> str:
    """The token of the page that starts before a place; empty when there is none."""
    if not before:
        return ""
    return base64.urlsafe_b64encode(json.dumps([before, _fingerprint(query)]).encode()).decode()


def _page_start(token: str, query: JobQuery) -> int:
    if not token:
        return 0
    try:
        before, fingerprint = json.loads(base64.urlsafe_b64decode(token.encode()))
        usable = isinstance(before, int) and 0 < before < 2**62 and fingerprint == _fingerprint(query)
    except (ValueError, TypeError, RecursionError):
        usable = False
    if not usable:
        raise invalid_field("page_token", "is not one that this query gave. Start again without it.")
    return int(before)


def _fingerprint(query: JobQuery) -> str:
    text = json.dumps([query.tenant, query.plugin, query.statuses, sorted(query.labels.items())])
    text += f"{query.create_time_from_us} {query.create_time_before_us}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
