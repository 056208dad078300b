"""Protos into domain objects and back: what is converted, and what is refused before a plugin is even looked for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from runward.v1 import jobs_pb2
from runward_service.api.conversion import analyze_answer, duration, job_to_proto, timestamp
from runward_service.api.requests import (
    analyze_request,
    list_request,
    options_of,
    page_token,
    submit_request,
)
from runward_service.domain.envelope import ErrorEnvelope
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.image import StoredImage
from runward_service.domain.job import ANONYMOUS, Job, JobMode, JobStatus
from tests.api.calls import payload

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


def refusal(convert: Any, message: Any) -> GovernedError:
    """What a conversion refuses a message with."""
    with pytest.raises(GovernedError) as caught:
        convert(message, ANONYMOUS)
    return caught.value


def submit(**fields: Any) -> jobs_pb2.SubmitJobRequest:
    """A valid request but for some fields."""
    return jobs_pb2.SubmitJobRequest(**{"plugin": "tool", "payload": payload(), **fields})


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_options_arrive_as_they_were(options: dict[str, Any]) -> None:
    """Every JSON value comes through a Struct with its value, whole numbers as int, others as float."""
    message = Struct()
    message.update(options)
    found = options_of(Struct.FromString(message.SerializeToString()))
    assert found == options
    assert "float" not in {type(value).__name__ for value in found.values() if value in range(-5, 5)}


@pytest.mark.parametrize(
    ("number", "expected"),
    [(2.0, int), (-0.0, int), (2.5, float), (2.0**53, int), (2.0**53 + 2, float), (1e300, float)],
)
def test_whole_numbers_are_int(number: float, expected: type) -> None:
    """As far as a double is exact a whole number is an int; beyond, it stays what it is."""
    message = Struct()
    message["n"] = number
    value = options_of(message)["n"]
    assert (type(value), value) == (expected, number)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_options_without_a_json_number(number: float) -> None:
    """NaN and infinity are no JSON: OPTIONS_INVALID with the place."""
    message = Struct()
    message["a"] = {"b": [1, number]}
    error = refusal(analyze_request, jobs_pb2.AnalyzeRequest(plugin="tool", payload=jobs_pb2.Payload(options=message)))
    assert (error.reason, error.details) == (ErrorReason.OPTIONS_INVALID, {"path": "$.a.b[1]"})


def test_options_with_a_hole() -> None:
    """A Value of no kind is refused, not taken for null."""
    message = Struct()
    message.fields["a"].SetInParent()
    error = refusal(analyze_request, jobs_pb2.AnalyzeRequest(plugin="tool", payload=jobs_pb2.Payload(options=message)))
    assert (error.reason, error.details) == (ErrorReason.OPTIONS_INVALID, {"path": "$.a"})


def test_a_request_is_converted_whole() -> None:
    """Every field of SubmitJob has its place; the type is in lower case."""
    request = submit_request(
        submit(
            payload=payload(b"bytes", "Image/PNG", count=1),
            timeout=Duration(seconds=1, nanos=500),
            queue_timeout=Duration(nanos=1),
            request_id="r",
            labels={"a": "b"},
            priority=-1000,
        ),
        ANONYMOUS,
    )
    assert (request.plugin, request.image, request.mime_type, request.options) == (
        "tool",
        b"bytes",
        "image/png",
        {"count": 1},
    )
    assert (request.timeout_us, request.queue_timeout_us, request.priority) == (1_000_001, 1, -1000)
    assert (request.request_id, request.labels, request.mode) == ("r", {"a": "b"}, JobMode.ASYNC)


def test_what_is_absent_is_nothing() -> None:
    """An empty payload is an empty image and type, for the validation rules to refuse; times absent are 0."""
    request = analyze_request(jobs_pb2.AnalyzeRequest(plugin="tool"), ANONYMOUS)
    assert (request.image, request.mime_type, request.options, request.timeout_us) == (b"", "", {}, 0)
    assert request.mode is JobMode.SYNC


@pytest.mark.parametrize(
    ("message", "reason", "field"),
    [
        (submit(plugin=""), ErrorReason.INVALID_FIELD, "plugin"),
        (submit(request_id="x" * 129), ErrorReason.INVALID_FIELD, "request_id"),
        (submit(priority=1001), ErrorReason.INVALID_FIELD, "priority"),
        (submit(priority=-1001), ErrorReason.INVALID_FIELD, "priority"),
        (submit(queue_timeout=Duration(seconds=-1)), ErrorReason.INVALID_FIELD, "queue_timeout"),
        (submit(queue_timeout=Duration(seconds=2**40)), ErrorReason.INVALID_FIELD, "queue_timeout"),
        (submit(queue_timeout=Duration(seconds=1, nanos=-1)), ErrorReason.INVALID_FIELD, "queue_timeout"),
        (submit(labels={str(number): "" for number in range(33)}), ErrorReason.INVALID_FIELD, "labels"),
        (submit(labels={"": "x"}), ErrorReason.INVALID_FIELD, "labels"),
        (submit(labels={"k" * 64: "x"}), ErrorReason.INVALID_FIELD, "labels"),
        (submit(labels={"k": "v" * 256}), ErrorReason.INVALID_FIELD, "labels"),
        (
            submit(payload=jobs_pb2.Payload(image_digest="sha256:x")),
            ErrorReason.INVALID_FIELD,
            "payload.image_digest",
        ),
        (submit(timeout=Duration(nanos=10**9)), ErrorReason.TIMEOUT_INVALID, None),
        (submit(timeout=Duration(seconds=2**62)), ErrorReason.TIMEOUT_INVALID, None),
    ],
)
def test_a_field_that_no_plugin_could_take(message: Any, reason: ErrorReason, field: str | None) -> None:
    """Refused by the field's own rule, which details.field names."""
    error = refusal(submit_request, message)
    assert error.reason is reason
    assert error.details.get("field") == field


def test_limits_are_inclusive() -> None:
    """What is exactly at a limit passes."""
    labels = {f"{number:063}": "v" * 255 for number in range(32)}
    request = submit_request(submit(request_id="x" * 128, priority=1000, labels=labels), ANONYMOUS)
    assert (len(request.request_id), len(request.labels), request.priority) == (128, 32, 1000)


@pytest.mark.parametrize(
    ("seconds", "nanos", "microseconds"),
    [(0, 0, 0), (0, 1, 1), (0, 1001, 2), (1, 0, 10**6), (-1, 0, -(10**6)), (0, -1, -1)],
)
def test_durations_are_rounded_away_from_zero(seconds: int, nanos: int, microseconds: int) -> None:
    """No positive time becomes 0, which would mean "the plugin's own"; a negative one stays negative."""
    request = analyze_request(
        jobs_pb2.AnalyzeRequest(plugin="tool", timeout=Duration(seconds=seconds, nanos=nanos)), ANONYMOUS
    )
    assert request.timeout_us == microseconds


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (1000, 1000), (2**31 - 1, 1000)])
def test_page_sizes(asked: int, size: int) -> None:
    """0 is the default, and more than the largest is taken as the largest."""
    assert list_request(jobs_pb2.ListJobsRequest(page_size=asked), ANONYMOUS)[1:] == (size, 0)


def test_a_page_token_belongs_to_its_query() -> None:
    """It leads on where the query is the same, whatever the page size, and is refused by every other query."""
    query, _, _ = list_request(jobs_pb2.ListJobsRequest(plugin="tool", labels={"a": "b", "c": "d"}), ANONYMOUS)
    token = page_token(query, 77)
    same = jobs_pb2.ListJobsRequest(plugin="tool", labels={"c": "d", "a": "b"}, page_token=token, page_size=3)
    assert list_request(same, ANONYMOUS)[2] == 77
    for other in (
        jobs_pb2.ListJobsRequest(page_token=token),
        jobs_pb2.ListJobsRequest(plugin="tool", labels={"a": "b"}, page_token=token),
        jobs_pb2.ListJobsRequest(plugin="tool", labels={"a": "b", "c": "d"}, statuses=[1], page_token=token),
        jobs_pb2.ListJobsRequest(
            plugin="tool", labels={"a": "b", "c": "d"}, page_token=token, create_time_from=Timestamp(seconds=1)
        ),
    ):
        error = refusal(list_request, other)
        assert (error.reason, error.details) == (ErrorReason.INVALID_FIELD, {"field": "page_token"})
    assert page_token(query, 0) == ""


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "ü",
        "====",
        *(
            base64.urlsafe_b64encode(text.encode()).decode()
            for text in (
                "no",
                "1",
                "null",
                "[]",
                "[1]",
                "[1,2,3]",
                '["1","x"]',
                "[1.5,2]",
                "{}",
                '{"a":1,"b":2}',
                "[" * 9999,
            )
        ),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(json.dumps([2**70, "x"]).encode()).decode(),
    ],
    ids=range(16),
)
def test_a_page_token_that_nobody_gave(token: str) -> None:
    """Whatever it holds, it is an invalid field and no fault of the service."""
    error = refusal(list_request, jobs_pb2.ListJobsRequest(page_token=token))
    assert (error.reason, error.details) == (ErrorReason.INVALID_FIELD, {"field": "page_token"})


@pytest.mark.parametrize(
    "message",
    [
        jobs_pb2.ListJobsRequest(page_size=-1),
        jobs_pb2.ListJobsRequest(statuses=[0]),
        jobs_pb2.ListJobsRequest(statuses=[5]),
        jobs_pb2.ListJobsRequest(labels={"": "x"}),
        jobs_pb2.ListJobsRequest(create_time_from=Timestamp(seconds=2**60)),
        jobs_pb2.ListJobsRequest(create_time_before=Timestamp(seconds=-(2**60))),
        jobs_pb2.ListJobsRequest(create_time_before=Timestamp(seconds=1, nanos=-1)),
    ],
)
def test_a_list_that_cannot_be_made(message: Any) -> None:
    """Each field outside its range is an invalid field."""
    assert refusal(list_request, message).reason is ErrorReason.INVALID_FIELD


@pytest.mark.parametrize("time_us", [0, 1, 999_999, 1_000_000, 1_700_000_000_123_456])
def test_times_are_exact(time_us: int) -> None:
    """Microseconds become Timestamps and Durations without loss."""
    assert timestamp(time_us).ToMicroseconds() == time_us
    assert duration(time_us).ToMicroseconds() == time_us


def example_job(**fields: Any) -> Job:
    """A finished job."""
    result = Struct()
    result.update({"x": [1, None]})
    values: dict[str, Any] = {
        "id": "i", "tenant": "t", "principal": "p", "request_id": "r", "mode": JobMode.ASYNC, "plugin": "tool",
        "plugin_version": "1.2", "status": JobStatus.SUCCESS, "image": StoredImage("sha256:d", 9),
        "mime_type": "image/png", "options": {"a": {"b": [True, None, 1.5]}}, "labels": {"k": "v"}, "priority": -3,
        "timeout_us": 1, "queue_deadline_us": 0, "max_attempts": 2, "attempt": 2, "lost_attempts": 1, "owner": "o",
        "cancel_requested": False, "create_time_us": 1,
        "start_time_us": 2, "end_time_us": 3, "revision": 4, "progress_fraction": 0.0, "progress_message": "begun",
        "result": result.SerializeToString(), "output_digest": "sha256:o",
    }  # fmt: skip
    return Job(**{**values, **fields})


def test_a_job_is_sent_whole() -> None:
    """Every field that the API has; of the inside (tenant, principal, owner, traceback) nothing."""
    message = job_to_proto(example_job())
    assert (message.id, message.plugin, message.plugin_version, message.request_id) == ("i", "tool", "1.2", "r")
    assert (message.status, message.attempt, message.priority, message.revision) == (
        jobs_pb2.JOB_STATUS_SUCCESS,
        2,
        -3,
        4,
    )
    assert (message.payload.image_digest, message.payload.size_bytes, message.payload.mime_type) == (
        "sha256:d",
        9,
        "image/png",
    )
    assert dict(message.labels) == {"k": "v"}
    assert list(message.result["x"]) == [1.0, None]
    assert message.payload.options["a"]["b"][0] is True
    assert (message.create_time.nanos, message.start_time.nanos, message.end_time.nanos) == (1000, 2000, 3000)
    assert message.HasField("progress")
    assert (message.progress.fraction, message.progress.message) == (0.0, "begun")
    assert message.output_digest == "sha256:o"
    assert not message.HasField("error")


def test_what_a_job_has_not_is_absent() -> None:
    """No start, no end, no progress, no result: fields that are not set, rather than zeros."""
    message = job_to_proto(
        example_job(status=JobStatus.PENDING, start_time_us=0, end_time_us=0, progress_fraction=None, result=None)
    )
    for field in ("start_time", "end_time", "progress", "result", "error"):
        assert not message.HasField(field), field


def test_an_empty_result_is_a_result() -> None:
    """A plugin that returned {} has a result, which is set and empty."""
    message = job_to_proto(example_job(result=b""))
    assert message.HasField("result")
    assert len(message.result.fields) == 0


@pytest.mark.parametrize("result", [None, b"", Struct(fields={"x": Value(string_value="y" * 300)}).SerializeToString()])
def test_the_answer_of_analyze_has_the_whole_job(result: bytes | None) -> None:
    """Encoded, with the result's own bytes in it."""
    job = example_job(result=result)
    assert jobs_pb2.AnalyzeResponse.FromString(analyze_answer(job)).job == job_to_proto(job)


def test_an_error_is_sent_without_its_inside() -> None:
    """The envelope's public part alone."""
    envelope = ErrorEnvelope(ErrorReason.PLUGIN_RAISED, "It broke.", {"lamp": 7}, "tool", 5, "Traceback: secret")
    message = job_to_proto(example_job(status=JobStatus.FAILED, result=None, error=envelope))
    assert message.error.error.message == "It broke."
    assert b"secret" not in message.SerializeToString()
