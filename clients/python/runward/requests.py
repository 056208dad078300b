"""Request messages made of Python arguments."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from runward.errors import ValidationError
from runward.image import Image, load_image
from runward.structs import to_struct
from runward.times import to_duration
from runward.v1 import jobs_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from google.protobuf.message import Message

_Request = TypeVar("_Request", bound="Message")
_RunRequest = TypeVar("_RunRequest", jobs_pb2.AnalyzeRequest, jobs_pb2.SubmitJobRequest)


def make_request(kind: type[_Request], **fields: Any) -> _Request:
    """Make a request message.

    Raises:
        ValidationError: (INVALID_FIELD) a value is out of its field's range, such as a priority past 32 bits.
    """
    try:
        return kind(**fields)
    except ValueError as problem:
        raise ValidationError(f"{kind.DESCRIPTOR.name}: {problem}", reason="INVALID_FIELD") from None


@dataclass(frozen=True, slots=True)
class RunTerms:
    """What analyze and submit are both told about a run, as their callers gave it."""

    mime_type: str | None
    options: Mapping[str, object] | None
    timeout: float | timedelta | None
    labels: Mapping[str, str] | None
    request_id: str | None
    retention: float | timedelta | None
    skip_cache: bool


def new_request_id() -> str:
    """Make a request id: random, after the time in milliseconds, so that ids of one time are neighbours in an index."""
    return f"{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(10)}"


async def make_run_request(
    kind: type[_RunRequest], plugin: str, image: Image, terms: RunTerms, **fields: Any
) -> _RunRequest:
    """Make a request to run a plugin, with the image's bytes in it, and a new request id unless the terms name one.

    Raises what make_request, to_struct, to_duration and load_image raise.
    """
    labels, request_id = dict(terms.labels or {}), terms.request_id or new_request_id()
    request = make_request(
        kind, plugin=plugin, labels=labels, request_id=request_id, skip_cache=terms.skip_cache, **fields
    )
    if terms.timeout is not None:
        request.timeout.CopyFrom(to_duration(terms.timeout, "timeout", "TIMEOUT_INVALID"))
    if terms.retention is not None:
        request.retention.CopyFrom(to_duration(terms.retention, "retention"))
    if terms.options:
        request.payload.options.CopyFrom(to_struct(terms.options))
    # Last, for refusing any of the others then costs no reading.
    request.payload.image, request.payload.mime_type = await load_image(image, terms.mime_type)
    return request
