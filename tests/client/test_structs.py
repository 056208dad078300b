"""Options and results on their way through google.protobuf.Struct."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import runward
from runward.structs import MAX_DEPTH, from_struct, to_struct

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@given(st.dictionaries(TEXT, VALUES))
def test_json_values_come_back_equal(values):
    """Whatever JSON can say goes through a Struct unchanged."""
    assert from_struct(to_struct(values)) == values


def test_whole_numbers_come_back_as_int():
    """A Struct knows doubles only: whole ones are int again, nested ones too, others stay float."""
    back = from_struct(to_struct({"count": 3, "lines": [{"x": -0.5, "y": 2.0}], "huge": 1e300, "big": 2**60}))
    assert back == {"count": 3, "lines": [{"x": -0.5, "y": 2}], "huge": 1e300, "big": 2**60}
    assert [type(v) for v in (back["count"], back["lines"][0]["x"], back["lines"][0]["y"])] == [int, float, int]
    assert (type(back["huge"]), type(back["big"])) == (float, int)


def test_booleans_are_no_numbers():
    """True stays True, though Python counts it as 1."""
    back = from_struct(to_struct({"on": True, "off": False, "nothing": None}))
    assert [back["on"], back["off"], back["nothing"]] == [True, False, None]
    assert type(back["on"]) is bool


def test_tuples_and_numpy_scalars_are_taken():
    """What programs that handle images have at hand goes in as the JSON that it means."""
    back = from_struct(to_struct({"box": (1, 2), "score": np.float32(0.5), "n": np.int64(7)}))
    assert back == {"box": [1, 2], "score": 0.5, "n": 7}


def test_empty_containers_are_kept():
    """An empty list is not an absent value."""
    assert from_struct(to_struct({"a": [], "b": {}, "c": [[], {}]})) == {"a": [], "b": {}, "c": [[], {}]}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": math.nan}, "$.a"),
        ({"a": [1, -math.inf]}, "$.a[1]"),
        ({"a": {"b": 2**53 + 1}}, "$.a.b"),
        ({"a": 10**400}, "$.a"),
        ({"a": "\ud800"}, "$.a"),
        ({"\ud800": 1}, "$"),
        ({"a": {1: 2}}, "$.a"),
        ({"a": b"bytes"}, "$.a"),
        ({"a": Decimal("1.5")}, "$.a"),
        ({"a": {1, 2}}, "$.a"),
    ],
    ids=[
        "nan",
        "infinity",
        "inexact integer",
        "huge integer",
        "surrogate",
        "surrogate key",
        "key",
        "bytes",
        "decimal",
        "set",
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value, path):
    """Nothing is mended in silence: the refusal names the place."""
    with pytest.raises(runward.ValidationError) as caught:
        to_struct(value)
    assert isinstance(caught.value, ValueError)
    assert caught.value.reason == "OPTIONS_INVALID"
    assert caught.value.details == {"path": path}
    assert caught.value.code is None


def test_nesting_is_bounded():
    """Options nest as deep as results may, and not deeper."""
    options: dict = {}
    for _ in range(MAX_DEPTH - 1):
        options = {"in": options}
    assert from_struct(to_struct(options)) == options
    with pytest.raises(runward.ValidationError, match="deep"):
        to_struct({"in": options})
