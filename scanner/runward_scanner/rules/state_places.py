"""Where lifecycle states stand together with words, and what only looks like one."""

from __future__ import annotations

import ast

from runward_scanner.inference import containers
from runward_scanner.inference.values import Class, Container, External, Value, texts
from runward_scanner.rules.state_words import is_state, makes_lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_scanner.inference.frame import Frame


PLACES = {"list": containers.POSITIONS[0], "set": containers.POSITIONS[0], "tuple": containers.POSITIONS[0]}
"""Where in a container a state stands if all that it holds are states; a record begins with a name."""


def listed(frame: Frame, container: Container, levels: int) -> Iterator[str]:
    """The words that a container holds, or has for keys, beside lifecycle states or as the lifecycle's."""
    heap = frame.engine.heap
    held = containers.contents(frame, container)
    words = texts(held)
    if makes_lifecycle(words):
        yield from words
    elif is_state(heap.peek(container, PLACES.get(container.kind, containers.ANY))):
        yield from filter(str.isupper, words)
    keys = heap.peek(container, containers.KEYS)
    words = texts(keys)
    if (makes_lifecycle(words) and "PENDING" not in words) or is_state(keys):
        yield from filter(str.isupper, words)
    for atom in held if levels else ():
        if type(atom) is Container:
            yield from listed(frame, atom, levels - 1)


def patterns_at(node: ast.Match, index: int) -> Iterator[ast.MatchValue]:
    """The values that patterns for tuples have at one place."""
    for case in node.cases:
        for pattern in ast.walk(case.pattern):
            if type(pattern) is not ast.MatchSequence or index >= len(pattern.patterns):
                continue
            if not any(type(item) is ast.MatchStar for item in pattern.patterns[:index]):
                yield from (item for item in ast.walk(pattern.patterns[index]) if type(item) is ast.MatchValue)


def looks_for_member(frame: Frame) -> bool:
    """Whether the enum's own function is read that is asked for what has no member."""
    function = frame.function
    return function is not None and function.name == "_missing_" and "state" in getattr(function.owner, "traits", ())


def is_generated(receiver: Value) -> bool:
    """Whether a value is a module or an enum that protoc made."""
    return any(type(atom) is External and "_pb2" in atom.path for atom in receiver)


def is_method(receiver: Value, name: str) -> bool:
    """Whether a class of the receiver defines a method of that name."""
    return any(
        type(atom) is Class
        and any(
            (type(item) is ast.FunctionDef or type(item) is ast.AsyncFunctionDef) and item.name == name
            for item in atom.info.node.body
        )
        for atom in receiver
    ) or (name.islower() and name not in {"success", "error"})
