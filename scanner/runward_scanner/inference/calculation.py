"""Calculating with constants, as Python would, unless the result would be long."""

from __future__ import annotations

import itertools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

LONGEST = 4096
"""How long a value may be."""
PURE: dict[str, Callable[..., Any]] = {
    "abs": abs, "ascii": ascii, "bytearray": bytes, "bytes": bytes, "chr": chr, "dict": dict,
    "enumerate": lambda *given: tuple(enumerate(*given)), "format": format, "frozenset": tuple, "int": int,
    "iter": tuple, "len": len, "list": tuple, "max": max, "min": min, "next": lambda given: given[0], "ord": ord,
    "range": lambda *given: tuple(itertools.islice(range(*given), LONGEST)), "repr": repr,
    "reversed": lambda given: given[::-1], "set": tuple, "sorted": lambda given: tuple(sorted(given)), "str": str,
    "sum": sum, "tuple": tuple, "zip": lambda *given: tuple(zip(*given, strict=False)),
}  # fmt: skip
METHODS = frozenset(
    {
        "__add__", "__getitem__", "__mul__", "capitalize", "casefold", "center", "copy", "count", "decode", "encode",
        "expandtabs", "find", "format", "format_map", "fromhex", "get", "hex", "index", "items", "join", "keys",
        "ljust", "lower", "lstrip", "maketrans", "partition", "removeprefix", "removesuffix", "replace", "rfind",
        "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split", "splitlines", "strip", "swapcase", "title",
        "translate", "upper", "values", "zfill",
    }
)  # fmt: skip
STATIC: dict[str, Any] = {"str": str, "bytes": bytes, "dict": dict}
KNOWN = (str, bytes, int, tuple, dict, float, bool, type(None))
SEQUENCES = (str, bytes, tuple, dict)


LARGEST = 0x110000


def of_function(name: str, given: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
    """What a function of Python's own gives; nothing where that may be long."""
    sized = name in {"bytes", "bytearray"} and isinstance(given[0] if given else 0, int)
    large = any(isinstance(item, int) and item > LARGEST for item in given)
    if sized or large or (name == "format" and any(map(is_wide, given[1:]))):
        return []
    return [PURE[name](*given, **named)]


def of_method(receiver: Any, name: str, given: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
    """What a method gives; nothing where that may be long."""
    if any(isinstance(item, int) and item > LONGEST for item in given):
        return []
    if name.startswith("format") and (receiver is str or is_wide(receiver)):
        return []
    made = getattr(receiver, name)(*given, **named)
    return [made if isinstance(made, KNOWN) else tuple(made)]


def is_short(value: Any) -> bool:
    """Whether a value is one to go on calculating with."""
    if isinstance(value, int):
        return abs(value) < 1 << 64
    return not isinstance(value, SEQUENCES) or len(value) <= LONGEST


def is_wide(text: Any) -> bool:
    """Whether a format may ask for a long text: it has a long number in it."""
    return not isinstance(text, str) or any(part.isdecimal() and len(part) > 3 for part in _numbers(text))


def _numbers(text: str) -> list[str]:
    return "".join(letter if letter.isdecimal() else " " for letter in text).split()
