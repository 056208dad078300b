"""Errors made from raw exceptions, and what the API must not reach."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from runward_scanner.finding import Finding
from runward_scanner.inference.frame import place_of
from runward_scanner.inference.tables import TRACEBACKS
from runward_scanner.inference.values import (
    Class,
    Container,
    External,
    Function,
    Method,
    Role,
    Text,
    Thing,
    Value,
    texts,
)
from runward_scanner.logging_calls import is_log_call, name_of
from runward_scanner.patterns import matches
from runward_scanner.walking import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ModuleInfo

ERROR_FIELD = re.compile(r"_*(?:job_)?(?:error|errors|error_message|error_text|failure|failure_reason|error_detail)")
ERROR_KEYS = frozenset({"error", "errors", "error_message", "exception", "err", "failure"})
TEXT_KEYS = frozenset({"message", "detail", "details", "reason", "description"})
ANSWER_KEYS = frozenset({"status", "success", "ok", "error", "code"})
ENVELOPE_KEYS = frozenset({"type", "message", "details", "plugin", "timestamp"})
FAILING = re.compile(
    r"_*(?:fail|failed|finish_failed|(?:mark|set|record|store|save|write|update)_(?:as_)?(?:job_)?(?:fail|failed|failure|error))"
    r"(?:_job|_run|_execution|_message)?"
)
ANSWERING = frozenset(
    {
        "abort",
        "set_details",
        "abort_with_status",
        "HTTPException",
        "JSONResponse",
        "Response",
        "jsonify",
        "set_trailing_metadata",
        "write",
        "send_error",
    }
)
INTERNAL = "_internal"
INTERNAL_NAMES = frozenset(
    {
        INTERNAL,
        "traceback",
        "internal_traceback",
        "internal",
        "_traceback",
        "__traceback__",
        "tb",
        "stack_trace",
        "stacktrace",
    }
)
RAW = frozenset({Role.EXCEPTION_TEXT, Role.TRACEBACK})
TELLING = RAW | {Role.EXCEPTION}
INTERNAL_TEXT = Text(INTERNAL)


def is_raw(value: Value) -> bool:
    """Whether a value is an exception's text or a traceback."""
    return not RAW.isdisjoint(value)


def is_api(frame: Frame) -> bool:
    """Whether the code being read belongs to the API."""
    return in_api(frame.engine, frame.module)


def in_api(engine: Engine, module: ModuleInfo) -> bool:
    """Whether a module belongs to the API."""
    return bool(module.local) and matches(engine.settings.api, module.local)


def in_call(frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> str:
    """What is wrong with a call that is handed an exception's text; empty where nothing is."""
    every = arguments.every()
    if is_api(frame):
        if hands_out(frame, callee, arguments) and not is_log_call(node):
            return "The API hands out an envelope with its _internal part"
        if INTERNAL_TEXT in every and not is_log_call(node):
            return "The API reaches an envelope's _internal part"
    if TELLING.isdisjoint(every):
        return ""
    name = name_of(node)
    if is_log_call(node) or "envelope" in name.lower() or _makes_exception(name, callee):
        return ""
    for keyword, value in arguments.keywords.items():
        if ERROR_FIELD.fullmatch(keyword) and is_raw(value):
            return "An exception's text is handed on as an error, past the envelope"
    if is_raw(every) and FAILING.fullmatch(name):
        return "An exception's text is stored as an error, past the envelope"
    if is_raw(every) and (name in ANSWERING and name != "write"):
        return "An error response is made from a raw exception, not the envelope"
    if Role.EXCEPTION in every and name in {"abort", "set_details"}:
        return "An error response is made from a raw exception, not the envelope"
    return ""


def _makes_exception(name: str, callee: Value) -> bool:
    if name.endswith(("Error", "Exception", "Failure")) and name != "HTTPException":
        return True
    return any(isinstance(atom, Class) and atom.info.name.endswith(("Error", "Exception")) for atom in callee)


def holds_internal(frame: Frame, value: Value) -> bool:
    """Whether a value is an envelope with its ``_internal`` part."""
    names = frame.engine.heap.names
    return any(isinstance(atom, Container) and f"={INTERNAL}" in names.get(atom, ()) for atom in value)


def hands_out(frame: Frame, callee: Value, arguments: Arguments) -> bool:
    """Whether an API module gives an envelope with its ``_internal`` part to what is not this project's code."""
    if not is_api(frame) or not any(isinstance(atom, (External, Method, Thing)) for atom in callee):
        return False
    if any(isinstance(atom, Method) and isinstance(atom.receiver, Container) for atom in callee):
        return False
    given = (*arguments.positional, *arguments.keywords.values())
    return any(holds_internal(frame, value) for value in given)


def in_dict(frame: Frame, node: ast.Dict) -> ast.AST | None:
    """The part of a dict display that answers with a raw exception."""
    keys = {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    if not keys & (ERROR_KEYS | TEXT_KEYS):
        return None
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant):
            continue
        bad = (
            (key.value in ERROR_KEYS and (_is_raw_value(frame, value) or _is_partial(frame, value)))
            or (key.value in TEXT_KEYS and keys & ANSWER_KEYS and _answers_failure(node) and is_raw(frame.value(value)))
        )  # fmt: skip
        if bad and node not in frame.engine.logged_nodes(frame.module):
            return value
    return None


def _is_raw_value(frame: Frame, node: ast.expr) -> bool:
    value = frame.value(node)
    return is_raw(value) or (Role.EXCEPTION in value and not isinstance(node, ast.Dict))


def _is_partial(frame: Frame, node: ast.expr) -> bool:
    """Whether an error's content holds an exception's text but is no envelope, or holds a traceback."""
    if not isinstance(node, ast.Dict):
        return False
    keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
    values = [frame.value(value) for value in node.values]
    if any(Role.TRACEBACK in value for value in values):
        return True
    return any(Role.EXCEPTION_TEXT in value for value in values) and not keys >= ENVELOPE_KEYS


def _answers_failure(node: ast.Dict) -> bool:
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(value, ast.Constant):
            continue
        if key.value in ANSWER_KEYS and str(value.value).lower() in {"false", "error", "failed", "failure", "fail"}:
            return True
    return False


def check_api(engine: Engine, code: str) -> Iterator[Finding]:
    """Report ``_internal`` and tracebacks in the API, however they are reached."""
    for module in engine.governed:
        if not in_api(engine, module):
            continue
        problems = [(node, problem) for node in walk(module.tree) if (problem := _internal(engine, node))]
        ignored = engine.logged_nodes(module) | _docstrings(module) if problems else set()
        for node, problem in problems:
            if node not in ignored:
                yield Finding(place_of(module, node), code, problem)


def _internal(engine: Engine, node: ast.AST) -> str:
    reader = INTERNAL_READERS.get(node.__class__)
    return reader(engine, node) if reader is not None else ""


def _internal_constant(engine: Engine, node: ast.Constant) -> str:
    return "The API reaches an envelope's _internal part" if node.value == INTERNAL else ""


def _internal_attribute(engine: Engine, node: ast.Attribute) -> str:
    if node.attr in INTERNAL_NAMES:
        receivers = engine.receivers.get(node, frozenset())
        if not any(isinstance(atom, External) for atom in receivers):
            return f"The API reaches {node.attr}, which is internal"
    return ""


def _internal_keyword(engine: Engine, node: ast.keyword) -> str:
    return "The API reaches an envelope's _internal part" if node.arg == INTERNAL else ""


def _internal_call(engine: Engine, node: ast.Call) -> str:
    for atom in engine.callees.get(node, ()):
        if isinstance(atom, External) and (atom.path in TRACEBACKS or atom.path.startswith("traceback.")):
            return "The API takes a traceback"
        if isinstance(atom, Function) and "traceback" in atom.info.name:
            return "The API takes a traceback"
    return ""


def _internal_item(engine: Engine, node: ast.Subscript) -> str:
    reached = INTERNAL in texts(engine.indices.get(node, frozenset()))
    return "The API reaches an envelope's _internal part" if reached else ""


INTERNAL_READERS: dict[type, Callable[[Engine, Any], str]] = {
    ast.Constant: _internal_constant,
    ast.Attribute: _internal_attribute,
    ast.keyword: _internal_keyword,
    ast.Call: _internal_call,
    ast.Subscript: _internal_item,
}


def _docstrings(module: ModuleInfo) -> set[ast.AST]:
    """The strings that are statements by themselves."""
    return {
        node.value for node in module.statements if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
