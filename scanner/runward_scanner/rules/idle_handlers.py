"""What drops an exception: handlers that do nothing with it, context managers that suppress it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from runward_scanner.flow.paths import suppresses
from runward_scanner.inference.classes import find_attribute
from runward_scanner.inference.values import Class, External, Function
from runward_scanner.logging_calls import is_log_call, name_of
from runward_scanner.patterns import Pattern
from runward_scanner.walking import children
from runward_scanner.walking import walk as walk_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_scanner.inference.engine import Engine

CARRIES_ON = Pattern(
    r"\w*(?:envelope|fail|error|abort|reject|outcome|finish|record|report|cancel|interrupt|retry|requeue|release|stop|shutdown|mark|raise"
    r"|expire|lost|kill|handle|convert|respond|status)\w*",
    re.IGNORECASE,
)
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


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those below it, not looking into functions and classes made there."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        if not isinstance(current, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            pending += children(current)


def swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler does, on some way through it, nothing with the exception but perhaps log it."""
    if handler.type is not None and names(handler.type) <= HARMLESS:
        return False
    return _ends_idle(handler.body, handler.name)


def _ends_idle(statements: list[ast.stmt], name: str | None) -> bool:
    """Whether a block may end, or be left, without anything having been done that carries the failure on."""
    for statement in statements:
        if isinstance(statement, ast.If):
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
        if isinstance(node, (ast.Attribute, ast.Name))
    }
    return any(name in HARMLESS or "cancel" in name.lower() or "clos" in name.lower() for name in names)


def names(node: ast.expr) -> set[str]:
    """The last names of the exceptions that a handler takes; ``?`` for one that is not written as a name."""
    if isinstance(node, ast.Tuple):
        return set().union(*(names(item) for item in node.elts))
    return {node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else "?"}


def _is_idle(node: ast.stmt, name: str | None) -> bool:
    """Whether a statement lets the failure end here."""
    if isinstance(node, (ast.Pass, ast.Continue, ast.Break)):
        return True
    if isinstance(node, ast.Return):
        return node.value is None or _is_plain(node.value)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        kept = isinstance(node.value, ast.Name) and node.value.id == name
        return node.value is None or (_is_plain(node.value) and not kept)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or is_log_call(node.value)
    return False


def _is_plain(node: ast.expr) -> bool:
    """Whether a value says nothing of a failure: constants, empty displays, names."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return all(_is_plain(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
        return not keys & {"error", "_internal"} and all(_is_plain(item) for item in node.values)
    if isinstance(node, ast.Call):
        return name_of(node) in {"dict", "list", "tuple", "set"} and not node.args and not node.keywords
    if isinstance(node, ast.Attribute):
        return node.attr in SUCCEEDED
    if isinstance(node, ast.Name):
        return not CARRIES_ON.fullmatch(node.id)
    return isinstance(node, ast.Constant)


def quiets(engine: Engine, call: ast.Call) -> bool:
    """Whether a context manager drops exceptions: ``suppress`` under any name, or one of the project's that does."""
    callees = engine.callees.get(call, frozenset())
    if suppresses(call) or any(isinstance(atom, External) and atom.path == "contextlib.suppress" for atom in callees):
        return not all(names(item) <= HARMLESS for item in call.args)
    for atom in callees:
        if isinstance(atom, Class):
            exits = [find_attribute(engine, atom.info, name, None) for name in ("__exit__", "__aexit__")]
            if any(_says_true(item.info.node) for found in exits for item in found if isinstance(item, Function)):
                return True
        elif isinstance(atom, Function) and any(
            isinstance(item, ast.Try)
            and any(isinstance(part, ast.Yield) for statement in item.body for part in walk(statement))
            and any(map(swallows, item.handlers))
            for item in walk_all(atom.info.node)
        ):
            return True
    return False


def _says_true(function: ast.AST) -> bool:
    """Whether a function returns True somewhere, written out."""
    return any(
        isinstance(node, ast.Return) and isinstance(node.value, ast.Constant) and node.value.value is True
        for node in ast.walk(function)
    )
