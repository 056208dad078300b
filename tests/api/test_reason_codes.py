"""The one table from reasons to codes: total, and what the proto's comments say."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from runward.v1 import errors_pb2
from runward_service.api.status import REASON_CODES, RETRY_SECONDS, status_of_envelope, status_of_error
from runward_service.domain.envelope import ErrorEnvelope
from runward_service.domain.errors import ErrorReason, ErrorType, GovernedError

PROTO = Path(__file__).parents[2] / "proto" / "runward" / "v1" / "errors.proto"
ENTRY = re.compile(r"((?:  //[^\n]*\n)+)  ERROR_REASON_([A-Z_]+) = (\d+);")
LARGEST_METADATA = 8192
LONG = {
    "ascii": "x",
    "percent": "%",
    "newlines": "\n",
    "umlauts": "ü",
    "chinese": "世",
    "emoji": "\U0001f600",
    "control": "\x01",
}


def documented() -> dict[str, tuple[str, bool]]:
    """The code of each reason by the proto's comments, and whether they promise RetryInfo."""
    found = {}
    for comment, name, number in ENTRY.findall(PROTO.read_text()):
        if number == "0":
            continue
        text = re.sub(r"\s*//\s*", " ", comment).strip()
        code, rest = re.match(r"([A-Z_]+)(.*?)\.", text).groups()  # type: ignore[union-attr]
        found[name] = (code, "with RetryInfo" in rest)
    return found


def test_the_table_is_total() -> None:
    """Every reason of the domain is one of the proto's, has one code, and there is none besides."""
    names = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name} - {
        "UNSPECIFIED"
    }
    assert {reason.name for reason in ErrorReason} == names
    assert set(REASON_CODES) == set(ErrorReason)
    assert set(documented()) == names
    assert all(reason.name == reason.value for reason in ErrorReason)


@pytest.mark.parametrize("reason", list(ErrorReason))
def test_the_table_is_what_the_proto_says(reason: ErrorReason) -> None:
    """The code that a reason's comment begins with is its code, and RetryInfo comes exactly where the comment promises
    it.
    """
    code, retry = documented()[reason.name]
    assert REASON_CODES[reason] is grpc.StatusCode[code]
    assert (reason in RETRY_SECONDS) == retry


def test_unavailable_is_for_what_was_not_accepted() -> None:
    """Only reasons that come before a job exists are UNAVAILABLE, for clients try those again by themselves."""
    unavailable = {reason for reason, code in REASON_CODES.items() if code is grpc.StatusCode.UNAVAILABLE}
    assert unavailable == {ErrorReason.DRAINING, ErrorReason.STORE_UNAVAILABLE}
    assert all(RETRY_SECONDS[reason] > 0 for reason in RETRY_SECONDS)


def test_the_types_have_the_protos_names() -> None:
    """Each type of the domain is one of the proto's."""
    names = {name.removeprefix("ERROR_TYPE_") for name in errors_pb2.ErrorType.DESCRIPTOR.values_by_name} - {
        "UNSPECIFIED"
    }
    assert {error_type.name for error_type in ErrorType} == names


@pytest.mark.parametrize("reason", list(ErrorReason))
def test_a_status_carries_everything(reason: ErrorReason) -> None:
    """Status code, envelope, ErrorInfo with the job and the plugin, RetryInfo where it helps; nothing internal."""
    envelope = ErrorEnvelope(reason, "It broke.", {"n": 1}, "tool", 1_700_000_000_000_001, "Traceback: secret")
    status = status_of_envelope(envelope, "job-1")
    ((key, raw),) = status.trailers
    assert key == "grpc-status-details-bin"
    assert b"secret" not in raw
    message = Status.FromString(raw)
    assert (message.code, message.message) == (status.code.value[0], status.message)
    assert status.code is REASON_CODES[reason]
    public, info, retry = errors_pb2.ErrorEnvelope(), ErrorInfo(), RetryInfo()
    assert message.details[0].Unpack(public)
    assert errors_pb2.ErrorReason.Name(public.error.reason) == f"ERROR_REASON_{reason.name}"
    assert errors_pb2.ErrorType.Name(public.error.type) == f"ERROR_TYPE_{reason.error_type.name}"
    assert (public.error.message, dict(public.error.details)) == ("It broke.", {"n": 1})
    assert (public.error.plugin, public.error.timestamp.ToMicroseconds()) == ("tool", 1_700_000_000_000_001)
    assert message.details[1].Unpack(info)
    assert (info.reason, info.domain) == (reason.name, "runward")
    assert dict(info.metadata) == {"job_id": "job-1", "plugin": "tool"}
    assert len(message.details) == (3 if reason in RETRY_SECONDS else 2)
    if reason in RETRY_SECONDS:
        assert message.details[2].Unpack(retry)
        assert retry.retry_delay.ToNanoseconds() == RETRY_SECONDS[reason] * 1e9


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
@pytest.mark.parametrize("length", [100, 400, 600, 2_000, 100_000])
@pytest.mark.parametrize("place", ["message", "details", "both"])
def test_trailers_stay_small(text: str, length: int, place: str) -> None:
    """However long a plugin's message or details are, in whatever script: under 8 KiB as they are sent, and still
    whole.
    """
    long = text * length
    details = {"text": long} if place != "message" else {"short": 1}
    message = long if place != "details" else "It broke."
    plugin = "p" * 63
    error = GovernedError(ErrorReason.QUEUE_FULL, message, details, plugin=plugin)
    status = status_of_envelope(ErrorEnvelope(error.reason, message, details, plugin, 1), "0" * 36)
    ((key, raw),) = status.trailers
    sent = len(quote(status.message, safe="")) + len(base64.b64encode(raw)) + len(key) + 64
    assert sent < LARGEST_METADATA
    public = errors_pb2.ErrorEnvelope()
    decoded = Status.FromString(raw)
    assert decoded.details[0].Unpack(public)
    assert message.startswith(public.error.message)
    assert public.error.message
    if dict(public.error.details) != details:
        assert dict(public.error.details) == {"truncated": True}
    assert len(decoded.details) == 3


def test_a_short_error_is_not_cut() -> None:
    """What fits is sent as it is."""
    details = {"plugins": [f"plugin_{number}" for number in range(50)]}
    status = status_of_error(GovernedError(ErrorReason.PLUGIN_NOT_FOUND, "y" * 600, details, plugin="tool"))
    public = errors_pb2.ErrorEnvelope()
    assert Status.FromString(status.trailers[0][1]).details[0].Unpack(public)
    assert len(public.error.message) == 600
    assert len(public.error.details["plugins"]) == 50
