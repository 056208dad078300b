"""Python values to google.protobuf.Struct and back, without ever changing a value on the way."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from runward.errors import ValidationError

MAX_DEPTH = 25
"""How deep options may nest: as deep as results; a protobuf parser gives up not much further down."""

_LARGEST_PLAIN_WHOLE = 10**21
"""From here on RFC 8785 writes numbers with an exponent: such a double was no count of anything and stays a float."""


def to_struct(values: Mapping[str, object]) -> Struct:
    """Make a Struct of a mapping.

    Raises:
        ValidationError: (OPTIONS_INVALID, details.path) for what JSON cannot say or a double would change: NaN,
            Infinity, an integer that is no double, a lone surrogate, a key that is no string, another type, nesting
            past MAX_DEPTH.
    """
    struct = Struct()
    _fill_struct(struct, values, "$", 1)
    return struct


def from_struct(struct: Struct) -> dict[str, Any]:
    """Make a dict of a Struct, its keys sorted. Whole numbers become int: a Struct knows doubles only, and no order."""
    return {key: from_value(struct.fields[key]) for key in sorted(struct.fields)}


def from_value(value: Value) -> Any:
    """Make a JSON value of a protobuf Value; a Value of no kind is None."""
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < _LARGEST_PLAIN_WHOLE else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [from_value(item) for item in value.list_value.values]
    return None


def _fill_struct(struct: Struct, values: Mapping[Any, object], path: str, depth: int) -> None:
    _check_depth(path, depth)
    for key, item in values.items():
        if not isinstance(key, str):
            raise _refusal(path, f"has a key that is no string: {key!r}")
        _check_text(key, path)
        _fill_value(struct.fields[key], item, f"{path}.{key}", depth)


def _fill_list(target: ListValue, items: Sequence[object], path: str, depth: int) -> None:
    _check_depth(path, depth)
    for index, item in enumerate(items):
        _fill_value(target.values.add(), item, f"{path}[{index}]", depth)


def _fill_value(target: Value, item: object, path: str, depth: int) -> None:
    match item:
        case None:
            target.null_value = 0  # type: ignore[assignment] # NULL_VALUE, the only one
        case bool():
            target.bool_value = item
        case str():
            _check_text(item, path)
            target.string_value = item
        case numbers.Real():
            target.number_value = _double(item, path)
        case Mapping():
            target.struct_value.SetInParent()
            _fill_struct(target.struct_value, item, path, depth + 1)
        case list() | tuple():
            target.list_value.SetInParent()
            _fill_list(target.list_value, item, path, depth + 1)
        case _:
            raise _refusal(path, f"is of type {type(item).__name__}, which JSON does not have")


def _double(item: numbers.Real, path: str) -> float:
    try:
        number = float(item)
    except OverflowError:
        number = math.inf
    if isinstance(item, numbers.Integral) and (math.isinf(number) or int(number) != int(item)):
        raise _refusal(path, f"is {item}, which a double cannot hold exactly: send it as a string")
    if not math.isfinite(number):
        raise _refusal(path, f"is {number}, which JSON does not have")
    return number


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refusal(path, "holds a lone surrogate, which is no Unicode text") from None


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _refusal(path, f"is nested more than {MAX_DEPTH} deep")


def _refusal(path: str, problem: str) -> ValidationError:
    shown = path.encode(errors="backslashreplace").decode()
    return ValidationError(f"options: {shown} {problem}", reason="OPTIONS_INVALID", details={"path": shown})
