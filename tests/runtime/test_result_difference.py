"""Where two results differ: the first place, by names and positions, and what is shown of it."""

from __future__ import annotations

from typing import Any

import pytest

from runward_service.domain.verification import ABSENT
from runward_service.runtime.result_codec import decode_result, encode_result
from runward_service.runtime.result_difference import MAX_TEXT, MAX_VALUE_CHARACTERS, first_difference

DIFFERENT: list[tuple[Any, Any, tuple[str, Any, Any]]] = [
    ({"a": 1}, {"a": 2}, ("$.a", 1, 2)),
    ({"b": 1, "a": {"x": [1, 2]}}, {"b": 2, "a": {"x": [1, 3]}}, ("$.a.x[1]", 2, 3)),
    ({"a": None}, {}, ("$.a", None, ABSENT)),
    ({}, {"a": None}, ("$.a", ABSENT, None)),
    ({"a": [1]}, {"a": [1, 2]}, ("$.a[1]", ABSENT, 2)),
    ({"a": True}, {"a": 1.0}, ("$.a", True, 1.0)),
    ({"a": [1]}, {"a": {"0": 1}}, ("$.a", [1], {"0": 1})),
    ({"a b": {"": 1}}, {"a b": {"": 2}}, ('$["a b"][""]', 1, 2)),
    ({'"': 0.1}, {'"': 0.1 + 1e-16}, ('$["\\""]', 0.1, 0.1 + 1e-16)),
]


@pytest.mark.parametrize(("recorded", "observed", "expected"), DIFFERENT)
def test_the_first_difference_is_told(recorded: Any, observed: Any, expected: tuple[str, Any, Any]) -> None:
    """Its path, and both values; a value that is null is one, one that is absent none."""
    found = first_difference(recorded, observed)
    assert found is not None
    assert (found.path, found.recorded, found.observed) == expected


@pytest.mark.parametrize(
    ("recorded", "observed"),
    [({"a": 1, "b": [{"c": 2, "d": 3}]}, {"b": [{"d": 3, "c": 2}], "a": 1}), ({"a": 0.0}, {"a": -0.0}), ({}, {})],
)
def test_equal_results_have_none(recorded: Any, observed: Any) -> None:
    """Neither the order of members nor the sign of zero, which JSON's canonical form has not, is a difference."""
    assert first_difference(recorded, observed) is None


def test_what_is_shown_is_bounded() -> None:
    """Of long texts the part around their first difference, of large objects nothing."""
    same = "x" * 50_000
    found = first_difference({"t": same + "left" + same}, {"t": same + "right" + same})
    assert found is not None
    assert (len(found.recorded), "left" in found.recorded, "right" in found.observed) == (MAX_TEXT, True, True)
    found = first_difference({"t": list(range(MAX_VALUE_CHARACTERS))}, {"t": None})
    assert found is not None
    assert (found.path, found.recorded, found.observed) == ("$.t", ABSENT, None)


def test_a_result_is_decoded_as_it_was_encoded() -> None:
    """Every kind of value, at any depth."""
    result = {"a": [1.5, True, None, "x", {}], "b": {"c": [[]]}}
    assert decode_result(encode_result(result)) == result
