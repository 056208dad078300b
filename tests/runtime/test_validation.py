"""The output rules and the magic bytes, value by value."""

from __future__ import annotations

import contextlib
import enum
from collections import OrderedDict, UserDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.runtime.mime import KNOWN_TYPES, admits, detect
from runward_service.runtime.result_codec import encode_result
from runward_service.runtime.validation import MAX_DEPTH, validate_output


class Colour(enum.Enum):
    RED = 1


def nested(depth: int, kind: type) -> Any:
    """Containers of a kind, one in another."""
    value: Any = {} if kind is dict else []
    for _ in range(depth - 1):
        value = {"k": value} if kind is dict else [value]
    return value


def refusal(output: object) -> GovernedError:
    """What an output is refused with."""
    with pytest.raises(GovernedError) as caught:
        validate_output(output)
    assert caught.value.reason is ErrorReason.OUTPUT_INVALID
    return caught.value


@pytest.mark.parametrize(
    "output", [None, "text", b"bytes", 3, 2.5, True, [1], (1,), {1}, UserDict(), object(), Colour.RED]
)
def test_an_output_is_a_dict(output: object) -> None:
    """Nothing else is, however like one it is; the place is the root."""
    error = refusal(output)
    assert error.details == {"path": "$"}
    assert type(output).__name__ in error.message


def test_a_type_is_told_with_its_module() -> None:
    """For NumPy's bool is called bool too, and is none that JSON has."""
    assert "numpy.bool" in refusal({"found": np.bool_(True)}).message
    assert "set does not fit JSON" in refusal({"found": set()}).message


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        2**53,
        -(2**53),
        2**1000,
        1.5,
        -0.0,
        1e308,
        "",
        "\x00",
        "\U0001f600",
        [],
        {},
        (1, 2),
        OrderedDict(a=1),
    ],
)
def test_what_fits_json(value: Any) -> None:
    """JSON's values, also as a tuple or a subclass of dict, pass at any place."""
    validate_output({"x": value})
    validate_output({"x": [{"y": value}]})


@pytest.mark.parametrize(
    "value",
    [
        b"bytes", bytearray(), {1}, frozenset(), object(), Colour.RED, 1j, range(3), UserDict(), iter(()), int,
        float("nan"), float("inf"), float("-inf"), 2**53 + 1, -(2**53) - 1, 2**1024, 10**400, "\ud800", "a\udfffb",
        {1: 2}, {None: 1}, {True: 1}, {b"k": 1}, {"\ud800": 1}, {("a",): 1},
    ],
    ids=repr,
)  # fmt: skip
def test_what_does_not(value: Any) -> None:
    """Each of these is refused, wherever it stands, with its place."""
    assert refusal({"x": value}).details == {"path": "$.x"}
    assert refusal({"a": [0, {"b": value}]}).details == {"path": "$.a[1].b"}


@pytest.mark.parametrize("key", [1, None, True, b"k", 1.5])
def test_keys_are_strings(key: object) -> None:
    """Also at the root."""
    error = refusal({key: 1})
    assert error.details == {"path": "$"}
    assert "not str" in error.message


@pytest.mark.parametrize("kind", [dict, list])
def test_depth(kind: type) -> None:
    """Twenty-five containers deep passes, the root counted; one more does not, nor does any more."""
    validate_output({"x": nested(MAX_DEPTH - 1, kind)})
    for depth in (MAX_DEPTH, MAX_DEPTH + 1, 900):
        assert f"more than {MAX_DEPTH} deep" in refusal({"x": nested(depth, kind)}).message


def test_a_cycle_is_too_deep() -> None:
    """It is refused, not followed for ever."""
    cycle: list[Any] = []
    cycle.append(cycle)
    assert f"more than {MAX_DEPTH} deep" in refusal({"x": cycle}).message


def test_a_long_path_is_cut() -> None:
    """A place of any length fits an envelope."""
    error = refusal({"k" * 10_000: {1}})
    assert len(error.details["path"]) == 200
    assert len(error.message) < 500


@given(st.text() | st.binary() | st.integers() | st.floats() | st.none(), st.integers(0, 40))
def test_a_value_is_accepted_or_refused(value: object, depth: int) -> None:
    """Whatever it is: no other exception than the rule's comes out, and what passes can be encoded."""
    output: Any = {"x": value}
    for _ in range(depth):
        output = {"x": [output]}
    with contextlib.suppress(GovernedError):
        validate_output(output)
        assert encode_result(output)
        assert depth * 2 < MAX_DEPTH


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"BM\x10\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00", "image/bmp"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"\x00\x00\x00\x20ftypavif", "image/avif"),
        (b"\x00\x00\x00\x20ftypheic", "image/heic"),
        (b"%PDF-1.7", "application/pdf"),
        (b"8BPS", "image/vnd.adobe.photoshop"),
        (b"", ""),
        (b"\x89PN", ""),
        (b"RIFF\x10\x00\x00\x00WAVE", ""),
        (b"\x00\x00\x00\x20ftypmp42", ""),
        (b"BMW drives", ""),
        (b"hello, I am text", ""),
    ],
)
def test_detection(head: bytes, mime_type: str) -> None:
    """The type is that of the first bytes, and none where they say none; what is told is known."""
    assert detect(head) == mime_type
    assert not mime_type or mime_type in KNOWN_TYPES


@given(st.binary(max_size=64))
def test_detection_takes_any_bytes(head: bytes) -> None:
    """It tells a known type or none."""
    assert detect(head) in KNOWN_TYPES | {""}


@pytest.mark.parametrize(
    ("pattern", "mime_type", "admitted"),
    [
        ("image/png", "image/png", True),
        ("image/png", "image/pngx", False),
        ("image/*", "image/png", True),
        ("image/*", "images/png", False),
        ("image/*", "image", False),
        ("*/*", "text/plain", True),
        ("text/*", "image/png", False),
    ],
)
def test_patterns(pattern: str, mime_type: str, *, admitted: bool) -> None:
    """A declared type takes itself, a pattern what it stands for."""
    assert admits(pattern, mime_type) is admitted
