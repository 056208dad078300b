"""Assignment targets and match patterns: which name gets what."""

from __future__ import annotations

import ast

from runward_scanner.inference import containers
from runward_scanner.inference.annotations import instance_of
from runward_scanner.inference.attributes import put
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Atom,
    Class,
    Container,
    External,
    Instance,
    Role,
    Value,
    is_open,
    one,
    texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.frame import Frame


def bind_target(frame: Frame, target: ast.expr, value: Value, site: ast.AST) -> None:
    """Assign a value to a target."""
    if type(target) is ast.Name:
        frame.bind(target.id, value, target)
    elif type(target) is ast.Attribute:
        put(frame, frame.value(target.value), target.attr, value, target)
    elif type(target) is ast.Subscript:
        receiver = frame.value(target.value)
        index = frame.value(target.slice)
        frame.engine.hook_item(frame, target, receiver, index, value)
        if type(target.slice) is ast.Slice:
            value = containers.elements(frame, value, site)
        containers.put_item(frame, receiver, index, value, target)
    elif type(target) is ast.Tuple or type(target) is ast.List:
        _unpack(frame, target.elts, value, site)
    elif type(target) is ast.Starred:
        bind_target(frame, target.value, containers.make(frame, "list", [], target, value), site)


def _unpack(frame: Frame, targets: list[ast.expr], value: Value, site: ast.AST) -> None:
    star: int | None = None
    for index, target in enumerate(targets):
        if type(target) is ast.Starred:
            star = index
            break
    for index, target in enumerate(targets):
        if type(target) is ast.Starred:
            bind_target(frame, target, containers.elements(frame, value, site), site)
        else:
            position = index if star is None or index < star else None
            if position is None:
                bind_target(frame, target, containers.elements(frame, value, site), site)
            else:
                element = NOTHING
                for atom in value:
                    held = _element(frame, atom, position, site)
                    element = element | held if element else held
                bind_target(frame, target, element or UNKNOWN, site)


def _element(frame: Frame, atom: Atom, position: int, site: ast.AST) -> Value:
    if type(atom) is Container or (type(atom) is Instance and "record" in atom.info.traits):
        return containers.item_of(frame, atom, OPAQUE, site, position) or UNKNOWN
    return containers.elements_of(frame, atom, site) or UNKNOWN


def bind_pattern(frame: Frame, pattern: ast.pattern, value: Value) -> None:
    """Bind the names of a match pattern."""
    if type(pattern) is ast.MatchAs:
        _match_as(frame, pattern, value)
    elif type(pattern) is ast.MatchOr:
        for way in pattern.patterns:
            bind_pattern(frame, way, value)
    elif type(pattern) is ast.MatchSequence:
        _match_sequence(frame, pattern, value)
    elif type(pattern) is ast.MatchStar:
        if pattern.name is not None:
            frame.bind(pattern.name, containers.make(frame, "list", [], pattern, value), pattern)
    elif type(pattern) is ast.MatchMapping:
        _match_mapping(frame, pattern, value)
    elif type(pattern) is ast.MatchClass:
        _match_class(frame, pattern, value)
    elif type(pattern) is ast.MatchValue:
        frame.engine.hook_compare(frame, pattern, [pattern.value], [value, frame.value(pattern.value)])


def _match_as(frame: Frame, pattern: ast.MatchAs, value: Value) -> None:
    narrowed = value
    if type(pattern.pattern) is ast.MatchClass:
        narrowed = narrowed_to(frame, pattern.pattern, value)
    if pattern.pattern is not None:
        bind_pattern(frame, pattern.pattern, value)
    if pattern.name is not None:
        frame.bind(pattern.name, narrowed, pattern)


def _match_sequence(frame: Frame, pattern: ast.MatchSequence, value: Value) -> None:
    starred = False
    for index, part in enumerate(pattern.patterns):
        if type(part) is ast.MatchStar:
            starred = True
            bind_pattern(frame, part, containers.elements(frame, value, pattern))
        else:
            element = containers.elements(frame, value, pattern) if starred else NOTHING
            if not starred:
                element = NOTHING.union(*(_element(frame, atom, index, pattern) for atom in value))
            bind_pattern(frame, part, element or UNKNOWN)


def _match_mapping(frame: Frame, pattern: ast.MatchMapping, value: Value) -> None:
    for key, part in zip(pattern.keys, pattern.patterns, strict=True):
        index = frame.value(key)
        frame.engine.hook_key(frame, key, index)
        bind_pattern(frame, part, containers.item(frame, value, index, key))
    if pattern.rest is not None:
        frame.bind(pattern.rest, value, pattern)


def narrowed_to(frame: Frame, pattern: ast.MatchClass, value: Value) -> Value:
    """What a value is where a class pattern matched it."""
    classes = frame.value(pattern.cls)
    claimed = NOTHING.union(
        *(instance_of(frame, atom, pattern.cls) for atom in classes if (type(atom) is Class or type(atom) is Role))
    )
    own = frozenset(atom for atom in value if type(atom) is Instance)
    anything = any(type(atom) is External for atom in classes) or not claimed
    return (own | value if anything else claimed | own) if not is_open(value) or anything else claimed


def _match_class(frame: Frame, pattern: ast.MatchClass, value: Value) -> None:
    subject = narrowed_to(frame, pattern, value)
    for name, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
        bind_pattern(frame, part, frame.attribute(subject, name, part))
    for index, part in enumerate(pattern.patterns):
        bind_pattern(frame, part, _positional(frame, pattern, subject, index))


def _positional(frame: Frame, pattern: ast.MatchClass, subject: Value, index: int) -> Value:
    """What a positional sub-pattern sees: the field that ``__match_args__`` or the order of fields names."""
    found = NOTHING
    for atom in subject:
        if type(atom) is not Instance:
            found |= (
                subject
                if type(pattern.cls) is ast.Name and pattern.cls.id in {"str", "int", "dict", "list"}
                else UNKNOWN
            )
            continue
        names = list(atom.info.fields)
        for held in frame.attribute(atom.info.itself, "__match_args__", pattern):
            ordered = containers.positions(frame, held) if type(held) is Container else None
            if ordered is not None:
                names = [text for value in ordered for text in texts(value)]
        found |= frame.attribute(one(atom), names[index], pattern) if index < len(names) else UNKNOWN
    return found or UNKNOWN
