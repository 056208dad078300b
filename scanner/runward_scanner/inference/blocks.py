"""Blocks: ``try``, ``with`` and ``match``, and what they do to the names."""

from __future__ import annotations

import ast

from runward_scanner.inference import containers
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.narrowing import narrow
from runward_scanner.inference.tables import ANY_EXCEPTION
from runward_scanner.inference.targets import bind_pattern, bind_target, narrowed_to
from runward_scanner.inference.values import (
    NOTHING,
    UNKNOWN,
    Container,
    External,
    Instance,
    Role,
    Thing,
    Value,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runward_scanner.inference.frame import Frame


def try_(frame: Frame, node: Any) -> None:
    """``try``: a handler may see the names as they were anywhere in the body."""
    before = dict(frame.env)
    seen: dict[str, Value] = {}
    around = frame.collectors
    frame.collectors = (*around, seen)
    frame.execute(node.body)
    frame.collectors = around
    normal, normal_live = frame.env, frame.live
    start = dict(before)
    for name, value in seen.items():
        start[name] = start.get(name, NOTHING) | value
    ways = []
    for handler in node.handlers:
        frame.env, frame.live = dict(start), True
        _handle(frame, handler)
        if frame.live:
            ways.append(frame.env)
    frame.env, frame.live = normal, normal_live
    frame.execute(node.orelse)
    frame.merge(ways)
    if node.finalbody:
        live = frame.live
        if not live:
            frame.env, frame.live = start, True
        frame.execute(node.finalbody)
        frame.live = frame.live and live


def _handle(frame: Frame, handler: ast.ExceptHandler) -> None:
    kind = frame.value(handler.type) if handler.type is not None else NOTHING
    if handler.name is not None:
        caught = one(Role.EXCEPTION)
        if handler.type is None or any(type(atom) is External and atom.path in ANY_EXCEPTION for atom in kind):
            caught |= {Role.FAULT}
        frame.bind(handler.name, caught | frame.engine.exceptions_of(frame, kind), handler)
    frame.execute(handler.body)


def with_(frame: Frame, node: ast.With | ast.AsyncWith) -> None:
    """``with``: the target is what entering gives."""
    for entry in node.items:
        manager = frame.head(entry.context_expr)
        if entry.optional_vars is not None:
            bind_target(frame, entry.optional_vars, _entered(frame, manager, entry.context_expr), node)
    frame.execute(node.body)
    # A context manager may swallow an exception, so that what follows is reached after a raise in the body.
    frame.live = True


def _entered(frame: Frame, manager: Value, node: ast.AST) -> Value:
    found = NOTHING
    for atom in manager:
        if type(atom) is Instance:
            entered = containers.special(frame, atom, "__enter__", Arguments(), node)
            entered |= containers.special(frame, atom, "__aenter__", Arguments(), node)
            found |= entered or one(atom)
        elif type(atom) is Container:
            found |= containers.elements(frame, one(atom), node)
        elif type(atom) is Thing:
            held = containers.contents(frame, atom) if atom.path.startswith("contextlib.") else NOTHING
            found |= held | one(atom)
        else:
            found |= one(atom)
    return found or UNKNOWN


def match_(frame: Frame, node: ast.Match) -> None:
    """``match``: every case."""
    subject = frame.value(node.subject)
    frame.engine.hook_match(frame, node, subject)
    before = frame.fork()
    ways = []
    for case in node.cases:
        frame.env, frame.live = dict(before), True
        bind_pattern(frame, case.pattern, subject)
        narrowed = _narrow_subject(frame, node.subject, case.pattern, subject)
        if case.guard is not None:
            frame.value(case.guard)
            narrow(frame, case.guard, True)
        frame.execute(case.body)
        if frame.live:
            if narrowed is not None and type(node.subject) is ast.Name and frame.env.get(node.subject.id) is narrowed:
                frame.env[node.subject.id] = subject
            ways.append(frame.env)
    frame.env, frame.live = dict(before), True
    frame.merge(ways)


def _narrow_subject(frame: Frame, subject: ast.expr, pattern: ast.pattern, value: Value) -> Value | None:
    """Within a case for a class, the name that is matched is an instance of it."""
    if type(subject) is not ast.Name or type(pattern) is not ast.MatchClass:
        return None
    frame.env[subject.id] = narrowed_to(frame, pattern, value)
    return frame.env[subject.id]
