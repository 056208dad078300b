"""Calls that log."""

from __future__ import annotations

import ast

from runward_scanner.patterns import ending
from runward_scanner.walking import find, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.model import ModuleInfo

LOGGING = frozenset(
    {"debug", "info", "warning", "warn", "error", "exception", "critical", "log", "print", "print_exc", "write"}
)
CALLS = frozenset({ast.Call})
is_logger_name = ending("log", "logger", "logging", "structlog", "warnings", "sys", "stderr", "stdout", "traceback")


def name_of(node: ast.Call) -> str:
    """The last name of what is called."""
    function = node.func
    kind = type(function)
    if kind is ast.Attribute:
        return function.attr  # type: ignore[attr-defined, no-any-return]
    return function.id if kind is ast.Name else ""  # type: ignore[attr-defined]


def is_log_call(node: ast.AST) -> bool:
    """Whether a call logs, which is where an exception's text may go."""
    if type(node) is not ast.Call or name_of(node) not in LOGGING:
        return False
    function = node.func
    if node.keywords and any(keyword.arg == "file" and not _is_stream(keyword.value) for keyword in node.keywords):
        return False  # written to where it can be read again
    if type(function) is not ast.Attribute:
        return type(function) is ast.Name and function.id == "print"
    owner = function.value
    if type(owner) is ast.Call:
        return name_of(owner) in {"getLogger", "get_logger", "bind"}
    name = owner.attr if type(owner) is ast.Attribute else owner.id if type(owner) is ast.Name else ""
    return is_logger_name(name.lower())


def _is_stream(node: ast.expr) -> bool:
    """Whether something is written to one of the standard streams."""
    name = node.attr if type(node) is ast.Attribute else node.id if type(node) is ast.Name else ""
    return name.strip("_") in {"stderr", "stdout"}


def logged(module: ModuleInfo) -> set[ast.AST]:
    """Every node within a log call of a module."""
    return {part for node in find(module.tree, CALLS) if is_log_call(node) for part in walk(node)}
