"""What the API must not reach: an envelope's ``_internal`` part and tracebacks, however they are taken."""

from __future__ import annotations

import ast

from runward_scanner.finding import Finding
from runward_scanner.inference.classes import shows_internal
from runward_scanner.inference.reporting import place_of
from runward_scanner.inference.tables import INTERNAL_NAMES, TRACEBACKS
from runward_scanner.inference.values import (
    Container,
    External,
    Function,
    Instance,
    Method,
    Module,
    Role,
    Text,
    Thing,
    Value,
    texts,
)
from runward_scanner.logging_calls import is_log_call, name_of
from runward_scanner.rules.raw_errors import is_api
from runward_scanner.walking import find, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ModuleInfo

INTERNAL = "_internal"
TRACEBACK = Role.TRACEBACK
INTERNAL_TEXT = Text(INTERNAL)
REACHES = "The API reaches an envelope's _internal part"
ASKING = frozenset(
    External(f"builtins.{name}") for name in ("bool", "callable", "hasattr", "id", "isinstance", "len", "type")
)
"""Functions that only ask something of what they are given."""
WHOLE = frozenset({"dataclasses.asdict", "dataclasses.astuple", "builtins.vars"})
"""What gives every field of an object."""


def in_call(frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> str:
    """What is wrong with a call in the API that is handed what is internal; empty where nothing is."""
    if not is_api(frame) or is_log_call(node):
        return ""
    given = (*arguments.positional, *arguments.keywords.values(), arguments.rest, arguments.mapping)
    if any(TRACEBACK in value for value in given):
        return "The API hands out a traceback"
    if _hands_out(frame, callee, given):
        return "The API hands out an envelope with its _internal part"
    if any(INTERNAL_TEXT in value for value in given):
        return REACHES
    spread = any(type(atom) is External and atom.path in WHOLE for atom in callee)
    if spread and any(type(atom) is Instance and shows_internal(atom.info) for value in given for atom in value):
        return "" if node in _publicly_read(frame.module) else REACHES
    return ""


def in_attribute(frame: Frame, node: ast.AST, receiver: Value, name: str) -> str:
    """What is wrong with an attribute that the API takes by a string or a pattern; empty where nothing is."""
    if name == "__dict__" and computed(frame, receiver):
        return "The API takes every field of an envelope"
    if name not in INTERNAL_NAMES or type(node) is ast.Attribute or not is_api(frame):
        return ""
    if all((type(atom) is External or type(atom) is Module) for atom in receiver):
        return ""
    return f"The API reaches {name}, which is internal"


def computed(frame: Frame, receiver: Value) -> bool:
    """Whether the API takes an envelope's attribute by a computed name."""
    return is_api(frame) and any(type(atom) is Instance and shows_internal(atom.info) for atom in receiver)


def in_match(frame: Frame, node: ast.Match, subject: Value) -> ast.AST | None:
    """The pattern in the API that takes the rest of an envelope, its ``_internal`` part in it."""
    if is_api(frame) and holds_internal(frame.engine, subject):
        for case in node.cases:
            for part in walk(case.pattern):
                if type(part) is ast.MatchMapping and part.rest is not None:
                    return part
    return None


def holds_internal(engine: Engine, value: Value) -> bool:
    """Whether a value is an envelope with its ``_internal`` part."""
    heap = engine.heap
    return any(type(atom) is Container and heap.is_written(atom, f"={INTERNAL}") for atom in value)


def _hands_out(frame: Frame, callee: Value, given: tuple[Value, ...]) -> bool:
    """Whether an envelope with its ``_internal`` part is given to what is not this project's code."""
    if not any(isinstance(atom, (External, Method, Thing)) for atom in callee) or not ASKING.isdisjoint(callee):
        return False
    if any(type(atom) is Method and type(atom.receiver) is Container for atom in callee):
        return False
    return any(holds_internal(frame.engine, value) for value in given)


def _publicly_read(module: ModuleInfo) -> set[ast.AST]:
    """The calls of a module of whose result only a part with a known public name is taken."""
    return {
        node.value
        for node in walk(module.tree)
        if type(node) is ast.Subscript and type(node.slice) is ast.Constant and node.slice.value not in INTERNAL_NAMES
    }


def check_api(engine: Engine, code: str) -> Iterator[Finding]:
    """Report ``_internal`` and tracebacks in the API, however they are reached."""
    for module in engine.governed:
        if not module.in_api:
            continue
        problems = []
        calls = []
        for node in find(module.tree, INTERNAL_READERS):
            if problem := INTERNAL_READERS[type(node)](engine, node):
                problems.append((node, problem))
            if type(node) is ast.Call:
                calls.append(node)
        problems.extend((node, REACHES) for node in _spread(engine, module, calls))
        ignored = engine.logged_nodes(module) | _docstrings(module) | _left_out(module) if problems else set()
        for node, problem in problems:
            if node not in ignored:
                yield Finding(place_of(module, node), code, problem)


def _internal_constant(engine: Engine, node: ast.Constant) -> str:
    return REACHES if node.value == INTERNAL else ""


def _internal_attribute(engine: Engine, node: ast.Attribute) -> str:
    if node.attr in INTERNAL_NAMES:
        receivers = engine.receivers.get(node, frozenset())
        if not any(type(atom) is External for atom in receivers):
            return f"The API reaches {node.attr}, which is internal"
    return ""


def _internal_keyword(engine: Engine, node: ast.keyword) -> str:
    return REACHES if node.arg == INTERNAL else ""


def _internal_call(engine: Engine, node: ast.Call) -> str:
    for atom in engine.callees.get(node, ()):
        if type(atom) is External and (atom.path in TRACEBACKS or atom.path.startswith("traceback.")):
            return "The API takes a traceback"
        if type(atom) is Function and "traceback" in atom.info.name:
            return "The API takes a traceback"
    return ""


def _internal_item(engine: Engine, node: ast.Subscript) -> str:
    return REACHES if INTERNAL in texts(engine.indices.get(node, frozenset())) else ""


INTERNAL_READERS: dict[type, Callable[[Engine, Any], str]] = {
    ast.Constant: _internal_constant,
    ast.Attribute: _internal_attribute,
    ast.keyword: _internal_keyword,
    ast.Call: _internal_call,
    ast.Subscript: _internal_item,
}


def _spread(engine: Engine, module: ModuleInfo, every: Iterable[ast.Call]) -> Iterator[ast.AST]:
    """The calls that give all parts of an envelope, where nothing picks the public ones."""
    calls = [
        node
        for node in every
        if name_of(node) in {"items", "values", "popitem"}
        and any(
            type(atom) is Method and holds_internal(engine, frozenset({atom.receiver}))
            for atom in engine.callees.get(node, ())
        )
    ]
    picked = _picked(module) if calls else set()
    yield from (node for node in calls if node not in picked or name_of(node) != "items")


def _picked(module: ModuleInfo) -> set[ast.AST]:
    """What is iterated over with a condition that leaves internal names out."""
    found: set[ast.AST] = set()
    for node in walk(module.tree):
        if type(node) is ast.comprehension and any(not _wants_internal(test) for test in node.ifs):
            found.add(node.iter)
        elif (type(node) is ast.For or type(node) is ast.AsyncFor) and type(node.body[0]) is ast.If:
            first = node.body[0]
            skips = type(first.body[0]) is ast.Continue
            if skips == _wants_internal(first.test) and (skips or len(node.body) == 1):
                found.add(node.iter)
    return found


def _left_out(module: ModuleInfo) -> set[ast.AST]:
    """What a comprehension's elements must not be: ``if key != "_internal"``."""
    found: set[ast.AST] = set()
    for node in walk(module.tree):
        if type(node) is ast.comprehension:
            for test in node.ifs:
                if type(test) is ast.Compare and all(
                    (type(item) is ast.NotEq or type(item) is ast.NotIn) for item in test.ops
                ):
                    found.update(walk(test))
    return found


def _wants_internal(test: ast.expr) -> bool:
    """Whether a condition holds for internal names: that one begins with an underscore."""
    return (
        type(test) is ast.Call
        and name_of(test) == "startswith"
        and all(type(item) is ast.Constant and str(item.value).startswith("_") for item in test.args)
    ) or (type(test) is ast.Compare and isinstance(test.ops[0], (ast.NotEq, ast.NotIn, ast.IsNot)))


def _docstrings(module: ModuleInfo) -> set[ast.AST]:
    """The strings that are statements by themselves."""
    return {node.value for node in module.statements(ast.Expr) if type(node.value) is ast.Constant}
