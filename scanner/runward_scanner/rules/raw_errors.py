"""Errors made from raw exceptions, and what the API must not reach."""

from __future__ import annotations

import ast
import functools

from runward_scanner.inference.classes import ancestors, find_attribute
from runward_scanner.inference.parameters import match_parameters
from runward_scanner.inference.values import (
    NOTHING,
    Class,
    Container,
    External,
    Function,
    Instance,
    Role,
    Value,
    texts,
)
from runward_scanner.logging_calls import is_log_call
from runward_scanner.patterns import Pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame

ERROR_FIELDS = frozenset(
    {"error", "errors", "error_message", "error_text", "failure", "failure_reason", "error_detail"}
)
"""What keeps an error is called, perhaps after ``job_``."""
ERROR_KEYS = frozenset({"error", "errors", "error_message", "exception", "err", "failure"})
TEXT_KEYS = frozenset({"message", "detail", "details", "reason", "description"})
TOLD_KEYS = ERROR_KEYS | TEXT_KEYS
INTERNAL_KIND = Pattern(r"(?i)internal(?:_?(?:error|fault))?")
PUBLIC = frozenset({"message", "detail", "details", "reason"})
ANSWER_KEYS = frozenset({"status", "success", "ok", "error", "code", "type"})
ENVELOPE_KEYS = frozenset({"type", "message", "details", "plugin", "timestamp"})
STORING = frozenset({"mark", "set", "record", "store", "save", "write", "update"})
FAILURES = frozenset({"fail", "failed", "failure", "error"})
FAILED = frozenset({"fail", "failed", "finish_failed"})
FAILED_OF = ("_job", "_run", "_execution", "_message")
ENDING = frozenset({"finish", "end", "complete", "close", "update", "save"})
ENDED = frozenset({"job", "run", "execution", "attempt"})
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
RAW = frozenset({Role.EXCEPTION_TEXT, Role.TRACEBACK})
TELLING = RAW | {Role.EXCEPTION}


@functools.lru_cache(maxsize=8192)
def is_error_field(name: str) -> bool:
    """Whether a name is one of what keeps an error."""
    return name.lstrip("_").removeprefix("job_") in ERROR_FIELDS


def is_failing(name: str) -> bool:
    """Whether a function that is named so ends a job, or stores what it failed of."""
    asked = name.lstrip("_")
    verb, _, what = asked.partition("_")
    if verb in ENDING and what in ENDED:
        return True
    if asked.endswith(FAILED_OF):
        asked = asked.rpartition("_")[0]
        what = what.rpartition("_")[0]
    return asked in FAILED or (verb in STORING and what.removeprefix("as_").removeprefix("job_") in FAILURES)


def is_raw(value: Value) -> bool:
    """Whether a value is an exception's text or a traceback."""
    return not RAW.isdisjoint(value)


def tells_raw(frame: Frame, value: Value) -> bool:
    """Whether a value is an exception's text, or a dict around it that is no envelope's error."""
    if is_raw(value):
        return True
    heap = frame.engine.heap
    for atom in value:
        names = {name[1:] for name in heap.names_of(atom) if name.startswith("=")}
        if type(atom) is Container and names and not names >= ENVELOPE_KEYS:
            cells = [heap.peek(atom, f"={name}") for name in names - {"_internal"}]
            if any(tells_raw(frame, cell) for cell in cells if not any(item is atom for item in cell)):
                return True
    return False


def _holds_raw(frame: Frame, value: Value, levels: int) -> bool:
    """Whether a list or tuple holds an exception's text, or one that it holds does; a dict may be an envelope."""
    for atom in value:
        if type(atom) is Container and atom.kind in {"list", "tuple"}:
            for cell in frame.engine.heap.values_of(atom):
                if is_raw(cell) or (levels and _holds_raw(frame, cell, levels - 1)):
                    return True
    return False


def is_api(frame: Frame) -> bool:
    """Whether the code being read belongs to the API."""
    return frame.module.in_api


def in_call(frame: Frame, node: ast.Call, name: str, callee: Value, arguments: Arguments) -> str:
    """What is wrong with a call that is handed an exception's text; empty where nothing is."""
    every = arguments.every()
    if (TELLING.isdisjoint(every) and not is_failing(name) and name not in ANSWERING) or is_log_call(node):
        return ""
    public = NOTHING.union(*_public_parts(callee, arguments))
    if Role.TRACEBACK in public:
        return "An envelope's public part is given a traceback"
    if Role.FAULT_TEXT in (public | _told_by_error(frame, callee, arguments)) and _says_internal(node, every):
        return "An internal error's public part is given the text of an exception that may be any"
    if _makes_exception(name, callee):
        fault = is_api(frame) and Role.FAULT_TEXT in every
        return "An error is made from a raw exception's text, not from its envelope" if fault else ""
    if "envelope" in name.lower():
        return ""
    for keyword, value in arguments.keywords.items() if name != "format" else ():
        if is_error_field(keyword) and is_raw(value):
            return "An exception's text is handed on as an error, past the envelope"
    if is_failing(name) and tells_raw(frame, every) and not _is_testing(frame, node, callee):
        return "An exception's text is stored as an error, past the envelope"
    if name in ANSWERING and name != "write" and (is_raw(every) or _holds_raw(frame, every, 3)):
        return "An error response is made from a raw exception, not the envelope"
    if Role.EXCEPTION in every and name in {"abort", "set_details"}:
        return "An error response is made from a raw exception, not the envelope"
    return ""


def _public_parts(callee: Value, arguments: Arguments) -> list[Value]:
    """What an envelope, or a function that makes one, is given to tell the caller."""
    found = [value for name, value in arguments.keywords.items() if name in PUBLIC] if _makes_envelope(callee) else []
    for atom in callee:
        if type(atom) is Class and "envelope" in atom.info.traits:
            found.extend(
                value for name, value in zip(atom.info.fields, arguments.positional, strict=False) if name in PUBLIC
            )
        elif type(atom) is Function and "envelope" in atom.info.name.lower():
            given = match_parameters(atom.info, arguments)
            found.extend(value for name, value in given.items() if name in PUBLIC)
    return found


def _told_by_error(frame: Frame, callee: Value, arguments: Arguments) -> Value:
    """What an error that becomes an envelope, one with a reason and a message, is given to tell the caller."""
    found = NOTHING
    for atom in callee:
        if type(atom) is not Class or not atom.info.module.governed:
            continue
        for init in find_attribute(frame.engine, atom.info, "__init__", frame.activation):
            if type(init) is Function:
                given = match_parameters(init.info, arguments.before(NOTHING))
                if {"reason", "message"} <= given.keys():
                    found |= NOTHING.union(*(value for name, value in given.items() if name in PUBLIC))
    return found


def _says_internal(node: ast.Call, every: Value) -> bool:
    """Whether an error is said to be of the service's own making, of whose exceptions a caller is told nothing."""
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    named = [item.attr for item in given if type(item) is ast.Attribute]
    return any(INTERNAL_KIND.fullmatch(word) for word in (*named, *texts(every)))


def _makes_envelope(callee: Value) -> bool:
    return any(type(atom) is Class and "envelope" in atom.info.traits for atom in callee)


def _makes_exception(name: str, callee: Value) -> bool:
    if name.endswith(("Error", "Exception", "Failure")) and name != "HTTPException":
        return True
    return any(type(atom) is Class and atom.info.name.endswith(("Error", "Exception")) for atom in callee)


def in_dict(frame: Frame, node: ast.Dict) -> ast.AST | None:
    """The part of a dict display that answers with a raw exception."""
    keys = {key.value for key in node.keys if type(key) is ast.Constant and isinstance(key.value, str)}
    if TOLD_KEYS.isdisjoint(keys):
        return None
    for key, value in zip(node.keys, node.values, strict=True):
        if type(key) is not ast.Constant:
            continue
        raw = key.value in ERROR_KEYS and not _is_report(frame, key.value, value)
        bad = (raw and (_is_raw_value(frame, value) or _is_partial(frame, value))) or (
            key.value in TEXT_KEYS and keys & ANSWER_KEYS and _answers_failure(node) and is_raw(frame.value(value))
        )
        if bad and node not in frame.engine.logged_nodes(frame.module):
            return value
    return None


def _is_raw_value(frame: Frame, node: ast.expr) -> bool:
    value = frame.value(node)
    return is_raw(value) or (Role.EXCEPTION in value and type(node) is not ast.Dict)


def _is_report(frame: Frame, key: object, node: ast.expr) -> bool:
    """Whether an exception itself is noted beside others of a report, as asyncio's handlers take it."""
    return key == "exception" and not is_raw(frame.value(node)) and not is_api(frame)


def _is_testing(frame: Frame, node: ast.Call, callee: Value) -> bool:
    """Whether a call lets a test fail."""
    if any(isinstance(atom, External) and atom.path.startswith(TESTING) for atom in callee):
        return True
    return any(
        isinstance(base, External) and base.path.startswith(TESTING)
        for atom in frame.engine.receivers.get(node.func, ())
        if isinstance(atom, Instance)
        for current in ancestors(atom.info)
        for value in current.bases
        for base in value
    )


TESTING = ("pytest.", "_pytest.", "unittest.")


def _is_partial(frame: Frame, node: ast.expr) -> bool:
    """Whether an error's content holds an exception's text but is no envelope, or holds a traceback."""
    if type(node) is not ast.Dict:
        return False
    keys = {key.value for key in node.keys if type(key) is ast.Constant}
    values = [frame.value(value) for value in node.values]
    if any(Role.TRACEBACK in value for value in values):
        return True
    return any(Role.EXCEPTION_TEXT in value for value in values) and not keys >= ENVELOPE_KEYS


def _answers_failure(node: ast.Dict) -> bool:
    for key, value in zip(node.keys, node.values, strict=True):
        if type(key) is not ast.Constant or type(value) is not ast.Constant:
            continue
        if key.value in ANSWER_KEYS and str(value.value).lower() in {"false", "error", "failed", "failure", "fail"}:
            return True
    return False
