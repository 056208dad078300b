"""What drops an exception: handlers that do nothing with it, context managers that suppress it."""

from __future__ import annotations

import ast

from runward_scanner.flow.paths import suppresses
from runward_scanner.inference.classes import find_attribute
from runward_scanner.inference.values import Class, External, Function
from runward_scanner.logging_calls import is_log_call, name_of
from runward_scanner.walking import ONE, SEVERAL, children
from runward_scanner.walking import walk as walk_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from runward_scanner.inference.engine import Engine

CARRYING_ON = (
    "envelope", "fail", "error", "abort", "reject", "outcome", "finish", "record", "report", "cancel", "interrupt",
    "retry", "requeue", "release", "stop", "shutdown", "mark", "raise", "expire", "lost", "kill", "handle", "convert",
    "respond", "status",
)  # fmt: skip
"""What stands in the name of whatever does something about a failure."""
HARMLESS = frozenset(
    {
        "CancelledError",
        "StopIteration",
        "StopAsyncIteration",
        "QueueEmpty",
        "QueueFull",
        "KeyboardInterrupt",
        "GeneratorExit",
        "ProcessLookupError",
    }
)
SUCCEEDED = frozenset({"SUCCESS", "INITIALIZED"})
"""What hides a failure where it is written instead of one."""
LEAVING = (ast.Return, ast.Continue, ast.Break)
MADE = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})


def carries_on(name: str) -> bool:
    """Whether a name says that something is done about a failure."""
    low = name.lower()
    return any(word in low for word in CARRYING_ON)


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those below it, not looking into functions and classes made there."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        if type(current) not in MADE:
            pending += children(current)


def calls_in(root: ast.AST) -> list[ast.Call]:
    """The calls that ``walk`` gives, in its order; written out, for every try has most of its body looked through."""
    found: list[ast.Call] = []
    pending: list[Any] = [root]
    while pending:
        node = pending.pop()
        kind = type(node)
        if kind in MADE:
            continue
        if kind is ast.Call:
            found.append(node)
        if kind in SEVERAL:
            for value in SEVERAL[kind](node):
                if type(value) is list:
                    pending += value
                elif value is not None:
                    pending.append(value)
        elif kind in ONE:
            value = getattr(node, ONE[kind])
            if type(value) is list:
                pending += value
            elif value is not None:
                pending.append(value)
    return found


def swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler does, on some way through it, nothing with the exception but perhaps log it."""
    if handler.type is not None and names(handler.type) <= HARMLESS:
        return False
    return _ends_idle(handler.body, handler.name)


def _ends_idle(statements: list[ast.stmt], name: str | None) -> bool:
    """Whether a block may end, or be left, without anything having been done that carries the failure on."""
    for statement in statements:
        if type(statement) is ast.If:
            arms = (statement.body, statement.orelse)
            if not _is_quiet(statement.test) and any(_leaves(arm) and _ends_idle(arm, name) for arm in arms):
                return True
            if not all(_leaves(arm) or _ends_idle(arm, name) for arm in arms):
                return False
        elif not _is_idle(statement, name):
            return False
        elif isinstance(statement, LEAVING):
            return True
    return True


def _leaves(statements: list[ast.stmt]) -> bool:
    """Whether a block never ends by its last statement."""
    return bool(statements) and isinstance(statements[-1], (*LEAVING, ast.Raise))


def _is_quiet(test: ast.expr) -> bool:
    """Whether a condition asks for a kind of ending that is no failure."""
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(test)
        if (type(node) is ast.Attribute or type(node) is ast.Name)
    }
    return any(name in HARMLESS or "cancel" in name.lower() or "clos" in name.lower() for name in names)


def names(node: ast.expr) -> set[str]:
    """The last names of the exceptions that a handler takes; ``?`` for one that is not written as a name."""
    if type(node) is ast.Tuple:
        return set().union(*(names(item) for item in node.elts))
    return {node.attr if type(node) is ast.Attribute else node.id if type(node) is ast.Name else "?"}


def _is_idle(node: ast.stmt, name: str | None) -> bool:
    """Whether a statement lets the failure end here."""
    if isinstance(node, (ast.Pass, ast.Continue, ast.Break)):
        return True
    if type(node) is ast.Return:
        return node.value is None or _is_plain(node.value)
    if type(node) is ast.Assign or type(node) is ast.AnnAssign:
        kept = type(node.value) is ast.Name and node.value.id == name
        return node.value is None or (_is_plain(node.value) and not kept)
    if type(node) is ast.Expr:
        return type(node.value) is ast.Constant or is_log_call(node.value)
    return False


def _is_plain(node: ast.expr) -> bool:
    """Whether a value says nothing of a failure: constants, empty displays, names."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return all(_is_plain(item) for item in node.elts)
    if type(node) is ast.Dict:
        keys = {key.value for key in node.keys if type(key) is ast.Constant}
        return not keys & {"error", "_internal"} and all(_is_plain(item) for item in node.values)
    if type(node) is ast.Call:
        return name_of(node) in {"dict", "list", "tuple", "set"} and not node.args and not node.keywords
    if type(node) is ast.Attribute:
        return node.attr in SUCCEEDED
    if type(node) is ast.Name:
        return not carries_on(node.id)
    return type(node) is ast.Constant


def quiets(engine: Engine, call: ast.Call) -> bool:
    """Whether a context manager drops exceptions: ``suppress`` under any name, or one of the project's that does."""
    callees = engine.callees.get(call, frozenset())
    if suppresses(call) or any(type(atom) is External and atom.path == "contextlib.suppress" for atom in callees):
        return not all(names(item) <= HARMLESS for item in call.args)
    for atom in callees:
        if type(atom) is Class:
            exits = [find_attribute(engine, atom.info, name, None) for name in ("__exit__", "__aexit__")]
            if any(_says_true(item.info.node) for found in exits for item in found if type(item) is Function):
                return True
        elif type(atom) is Function and any(
            type(item) is ast.Try
            and any(type(part) is ast.Yield for statement in item.body for part in walk(statement))
            and any(map(swallows, item.handlers))
            for item in walk_all(atom.info.node)
        ):
            return True
    return False


def _says_true(function: ast.AST) -> bool:
    """Whether a function returns True somewhere, written out."""
    return any(
        type(node) is ast.Return and type(node.value) is ast.Constant and node.value.value is True
        for node in ast.walk(function)
    )
