"""Strings that can be worked out from the code."""

from __future__ import annotations

from runward_scanner.inference.classes import shows_internal
from runward_scanner.inference.values import NOTHING, OPAQUE, Instance, Role, Text, Value, is_open, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST = 16
"""How many strings one expression may be before it counts as computed."""
COMPUTED: Value = frozenset({Role.COMPUTED})
TAINTING = frozenset({Role.TRACEBACK, Role.EXCEPTION, Role.EXCEPTION_TEXT, Role.FAULT, Role.FAULT_TEXT})


def joined(parts: Sequence[Value]) -> Value:
    """The strings that parts in a row make; computed where a part is not known."""
    taint = taint_of(parts)
    ways = [""]
    for part in parts:
        choices = texts(part)
        if not choices or is_open(part):
            return COMPUTED | taint
        ways = [way + choice for way in ways for choice in choices]
        if len(ways) > MOST:
            return COMPUTED | taint
    return frozenset(Text(way) for way in ways) | taint


def taint_of(parts: Iterable[Value]) -> Value:
    """What a string made of these tells of an exception."""
    taint = NOTHING
    for part in parts:
        if not TAINTING.isdisjoint(part):
            if Role.TRACEBACK in part:
                taint |= {Role.TRACEBACK}
            if Role.EXCEPTION in part or Role.EXCEPTION_TEXT in part:
                taint |= {Role.EXCEPTION_TEXT}
            if Role.FAULT in part or Role.FAULT_TEXT in part:
                taint |= {Role.FAULT_TEXT}
        for atom in part:
            if type(atom) is Instance and shows_internal(atom.info):
                taint |= {Role.TRACEBACK}
    return taint


METHODS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "strip": str.strip,
    "lstrip": str.lstrip,
    "rstrip": str.rstrip,
    "title": str.title,
    "swapcase": str.swapcase,
    "capitalize": str.capitalize,
    "casefold": str.casefold,
}
WITH_ARGUMENTS = frozenset({"replace", "removeprefix", "removesuffix", "strip", "lstrip", "rstrip", "format", "join"})
TO_BYTES_AND_BACK = frozenset({"encode", "decode"})


def method(text: str, name: str, arguments: Sequence[Value]) -> Value:
    """What a method of a known string gives."""
    if name in METHODS and not arguments:
        return frozenset({Text(METHODS[name](text))})
    if name in TO_BYTES_AND_BACK:
        return frozenset({Text(text)})
    given = [texts(argument) for argument in arguments]
    if name in WITH_ARGUMENTS and all(len(choices) == 1 for choices in given):
        return _applied(text, name, [choices[0] for choices in given])
    if name in {"format", "join", "replace"} or name in METHODS:
        return COMPUTED | taint_of(arguments)
    return OPAQUE


def _applied(text: str, name: str, arguments: list[str]) -> Value:
    try:
        result = getattr(str, name)(text, *arguments)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        return COMPUTED
    return frozenset({Text(result)}) if isinstance(result, str) else COMPUTED


def percent(template: Value, operands: Sequence[Value]) -> Value:
    """What ``template % operands`` gives."""
    known = texts(template)
    given = [texts(operand) for operand in operands]
    taint = taint_of(operands)
    if len(known) == 1 and all(len(choices) == 1 for choices in given):
        try:
            return frozenset({Text(known[0] % tuple(choices[0] for choices in given))}) | taint
        except (TypeError, ValueError, KeyError):
            return COMPUTED | taint
    return COMPUTED | taint
