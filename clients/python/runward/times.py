"""Durations and timestamps: Python's on one side, protobuf's on the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from runward.errors import ValidationError

if TYPE_CHECKING:
    from google.protobuf.message import Message


def to_duration(time: float | timedelta, field: str, reason: str = "INVALID_FIELD") -> Duration:
    """Make a Duration of seconds or a timedelta. Negative ones pass: the server refuses them with its own words.

    Raises:
        ValidationError: (reason, details.field) for a time that is no number or does not fit.
    """
    duration = Duration()
    try:
        duration.FromTimedelta(time if isinstance(time, timedelta) else timedelta(seconds=time))
    except (ValueError, OverflowError):
        raise ValidationError(f"{field}: {time} is no duration", reason=reason, details={"field": field}) from None
    return duration


def to_timestamp(time: datetime, field: str) -> Timestamp:
    """Make a Timestamp of a datetime.

    Raises:
        ValidationError: (INVALID_FIELD, details.field) for a datetime without a time zone.
    """
    if time.tzinfo is None:
        raise ValidationError(
            f"{field}: {time} has no time zone, so it names no moment", reason="INVALID_FIELD", details={"field": field}
        )
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def from_timestamp(owner: Message, field: str) -> datetime | None:
    """Read a Timestamp field as a UTC datetime (to the microsecond); None where it is absent."""
    if not owner.HasField(field):
        return None
    timestamp: Timestamp = getattr(owner, field)
    return timestamp.ToDatetime(tzinfo=UTC)


def from_duration(owner: Message, field: str) -> timedelta | None:
    """Read a Duration field as a timedelta (to the microsecond); None where it is absent."""
    if not owner.HasField(field):
        return None
    duration: Duration = getattr(owner, field)
    return duration.ToTimedelta()
