"""The image of a request, taken apart from the rest: the same request for whoever reads both."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from runward.v1 import jobs_pb2
from runward_service.api.inline_image import MAX_FIELDS, WORTH_BYTES, cut_image, varint
from tests.api.calls import payload, refused, serving
from tests.harness.service import PNG

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 20
IMAGE = bytes(range(200)) * 2
FIELDS = st.sampled_from(
    [
        b"\x0a\x04tool",  # the plugin
        b"\x22\x01r",  # the request id
        b"\x38\x01",  # skip_cache
        b"\x38\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\x2a\x06\x0a\x01k\x12\x01v",  # a label
        b"\x5d1234",  # fields that nobody knows, of each kind
        b"\x5912345678",
        b"\x7a\x02\xff\xff",
        b"\x5b\x08\x01\x5c",  # a group
        b"\xfa\x01\x01x",  # a tag of two bytes
        b"\x12\x00",  # payloads: empty, with a type, with a digest, with an image
        b"\x12\x07\x1a\x05image",
        b"\x12\x04\x12\x02id",
        b"\x12\x1d\x0a\x19" + IMAGE[:25] + b"\x22\x00",
        b"\x12\x9d\x80\x00\x0a\x99\x00" + IMAGE[:25] + b"\x1a\x00",
        b"\x12\x1f\x0a\x19" + IMAGE[:25] + b"\x12\x02id",
        b"\x12\x1e\x0a\x19" + IMAGE[:25] + b"\x0a\x01i",
        b"\x12\x1b\x0a\x19" + IMAGE[:20],  # longer than what holds it
    ]
)


def whole(raw: bytes) -> jobs_pb2.AnalyzeRequest | None:
    """What protobuf reads; None where it reads nothing."""
    try:
        return jobs_pb2.AnalyzeRequest.FromString(raw)
    except DecodeError:
        return None


def put_together(raw: bytes) -> jobs_pb2.AnalyzeRequest | None:
    """What protobuf reads where the image is taken apart before, if it is."""
    cut = cut_image(raw, LIMIT)
    if cut is None:
        return whole(raw)
    message = whole(cut.request)
    if message is not None:
        assert (message.payload.WhichOneof("source"), message.payload.image) == ("image", b"")
        message.payload.image = bytes(cut.image)
    return message


@pytest.mark.parametrize("size", [LIMIT + 1, 127, 128, 300, 70_000])
@pytest.mark.parametrize("kind", [jobs_pb2.AnalyzeRequest, jobs_pb2.SubmitJobRequest])
def test_an_image_is_taken_apart(kind: type[jobs_pb2.AnalyzeRequest], size: int) -> None:
    """The image is a part of the request's own bytes; what is left is the request with an empty image."""
    image = bytes(size)
    request = kind(plugin="tool", payload=payload(image, deep={"a": 1}), request_id="r", labels={"k": "v"})
    raw = request.SerializeToString()
    cut = cut_image(raw, LIMIT)
    assert cut is not None
    assert (bytes(cut.image), cut.image.obj) == (image, raw)
    request.payload.image = b""
    assert kind.FromString(cut.request) == request


@pytest.mark.parametrize(
    "raw",
    [
        jobs_pb2.AnalyzeRequest(plugin="tool", payload=payload(bytes(LIMIT))).SerializeToString(),
        jobs_pb2.AnalyzeRequest(plugin="tool" * LIMIT).SerializeToString(),
        b"\x0a\x00" * MAX_FIELDS + jobs_pb2.AnalyzeRequest(payload=payload(IMAGE)).SerializeToString(),
        b"",
    ],
    ids=["a small image", "no payload", "many fields", "nothing"],
)
def test_what_stays_whole(raw: bytes) -> None:
    """Small images are not worth it, and where an image has to be looked for long, protobuf looks."""
    assert cut_image(raw, LIMIT) is None


@given(st.lists(FIELDS, max_size=6).map(b"".join))
def test_any_way_to_write_a_request(raw: bytes) -> None:
    """Fields in any order, several times, unknown, not to be read: it is what protobuf alone makes of it."""
    assert put_together(raw) == whole(raw)


@given(st.lists(FIELDS, min_size=1, max_size=3).map(b"".join), st.data())
def test_a_damaged_request(raw: bytes, data: st.DataObject) -> None:
    """Cut short or with other bytes: as above."""
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    assert put_together(bytes(damaged)) == whole(bytes(damaged))


@given(st.integers(0, 2**31))
def test_numbers_are_written_as_protobuf_does(number: int) -> None:
    """In as few bytes as hold them."""
    expected = jobs_pb2.WatchJobRequest(after_revision=number).SerializeToString()
    assert (b"\x10" + varint(number) if number else b"") == expected


async def test_large_images_over_grpc(tmp_path: Path) -> None:
    """A large image is looked at, stored and run on as any other, at once and later; so is the rest of its request."""
    image = PNG + os.urandom(WORTH_BYTES)
    digest = f"sha256:{hashlib.sha256(image).hexdigest()}"
    async with serving(tmp_path, "Noop") as api:
        await api.service.registry.all_described()
        request = {"plugin": "noop", "payload": payload(image), "labels": {"k": "v"}}
        analyzed = (await api.jobs.Analyze(jobs_pb2.AnalyzeRequest(**request))).job
        submitted = (await api.jobs.SubmitJob(jobs_pb2.SubmitJobRequest(**request, priority=7))).job
        for job in (analyzed, submitted):
            assert (job.payload.image_digest, job.payload.size_bytes) == (digest, len(image))
            assert dict(job.labels) == {"k": "v"}
        assert (analyzed.status, submitted.priority) == (jobs_pb2.JOB_STATUS_SUCCESS, 7)
        request["payload"] = payload(image, mime_type="image/jpeg")
        assert (await refused(api.jobs.Analyze(jobs_pb2.AnalyzeRequest(**request)))).reason == "MIME_TYPE_MISMATCH"
