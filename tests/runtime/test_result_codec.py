"""The encoding of results and the frames between service and worker."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.runtime.frames import (
    HEADER,
    MAX_BODY_BYTES,
    MAX_META_BYTES,
    FrameDecoder,
    FrameError,
    encode_frame,
)
from runward_service.runtime.result_codec import encode_result, output_digest, validate_encoded
from runward_service.runtime.validation import MAX_RESULT_BYTES, validate_output

OVERHEAD = 18
"""What the encoding adds to one long text under a key of one letter."""
TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.integers(-60, 60).map(lambda bits: 2 ** abs(bits) * 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXT, children, max_size=4),
    max_leaves=15,
)
OUTPUTS = st.dictionaries(TEXT, JSON, max_size=5)


def python(value: Value) -> Any:
    """A protobuf value as Python has it."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {key: python(item) for key, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [python(item) for item in value.list_value.values]
    return None if kind == "null_value" else getattr(value, kind)


@given(OUTPUTS)
def test_what_validation_passes_is_encoded_exactly(output: dict[str, Any]) -> None:
    """Every value comes back from the encoded Struct as it was, booleans as booleans and the sign of zero kept."""
    validate_output(output)
    encoded = encode_result(output)
    validate_encoded(encoded)
    found = {key: python(value) for key, value in Struct.FromString(encoded).fields.items()}
    assert found == output
    for key, value in output.items():
        assert isinstance(found[key], bool) == isinstance(value, bool)
        if isinstance(value, float):
            assert math.copysign(1, found[key]) == math.copysign(1, value)


@given(OUTPUTS)
def test_equal_outputs_are_equal_bytes_and_digests(output: dict[str, Any]) -> None:
    """The order of keys makes no difference, neither in the encoding nor in the digest."""
    turned = dict(reversed(output.items()))
    assert encode_result(output) == encode_result(turned)
    assert output_digest(output) == output_digest(turned)
    assert len(output_digest(output)) == 71


def test_the_digest_is_that_of_the_canonical_form() -> None:
    """SHA-256 of RFC 8785's text: a number is written as a double is, keys are sorted."""
    # printf '{"a":1,"b":[1.5,9007199254740992]}' | sha256sum
    digest = "sha256:5f72b04acbde2589f503ca4688e9f26957323e83afab9616efdae50a7acf255c"
    assert output_digest({"b": [1.5, 2**53], "a": 1.0}) == digest
    assert output_digest({"a": 1, "b": [1.5, float(2**53)]}) == digest


@pytest.mark.parametrize("encoded", [b"\xff", b"\x0a\xff", b"\x0a\x03abc", b"\x0a\x04\x0a\x02\xc3\x28"])
def test_what_is_no_struct_is_refused(encoded: bytes) -> None:
    """The service does not take a worker's word for what it sent."""
    with pytest.raises(GovernedError) as caught:
        validate_encoded(encoded)
    assert caught.value.reason is ErrorReason.OUTPUT_INVALID


def test_size() -> None:
    """One byte over the limit is refused where it is made and where it comes in."""
    encoded = encode_result({"x": "y" * (MAX_RESULT_BYTES - OVERHEAD)})
    assert len(encoded) == MAX_RESULT_BYTES
    validate_encoded(encoded)
    for call in (
        lambda: encode_result({"x": "y" * (MAX_RESULT_BYTES - OVERHEAD + 1)}),
        lambda: validate_encoded(encoded + b"\0"),
    ):
        with pytest.raises(GovernedError) as caught:
            call()
        assert caught.value.details["limit_bytes"] == MAX_RESULT_BYTES


METAS = st.dictionaries(TEXT, JSON, max_size=3)


@given(st.lists(st.tuples(METAS, st.binary(max_size=200)), max_size=4), st.lists(st.integers(1, 50), min_size=1))
def test_frames_arrive_however_they_are_cut(messages: list[tuple[dict[str, Any], bytes]], sizes: list[int]) -> None:
    """Whole messages come out in order, in whatever pieces their bytes come in."""
    data = b"".join(encode_frame(meta, body) for meta, body in messages)
    decoder, found, start, turn = FrameDecoder(), [], 0, 0
    while start < len(data):
        size = sizes[turn % len(sizes)]
        found += decoder.feed(data[start : start + size])
        start, turn = start + size, turn + 1
    assert found == messages


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(MAX_META_BYTES + 1, 0),
        HEADER.pack(2, MAX_BODY_BYTES + 1),
        HEADER.pack(2, 0) + b"[]",
        HEADER.pack(4, 0) + b"null",
        HEADER.pack(2, 0) + b"{,",
        HEADER.pack(2, 0) + b"\xff\xff",
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_what_is_no_frame(data: bytes) -> None:
    """Sizes beyond the limits, headers that are no JSON object, and other protocols are errors, found early."""
    with pytest.raises(FrameError):
        FrameDecoder().feed(data)
