"""Exceptions around an execution that end in nothing."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from runward_scanner.finding import Finding, Step
from runward_scanner.flow.paths import suppresses
from runward_scanner.inference.classes import find_attribute
from runward_scanner.inference.frame import place_of
from runward_scanner.inference.model import bodies_of
from runward_scanner.inference.values import Class, External, Function, Instance, Method, Role
from runward_scanner.logging_calls import is_log_call, name_of
from runward_scanner.rules.execution import dispatches, is_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import FunctionInfo, ModuleInfo

LAYER_CLASSES = re.compile(r"(?:Analysis|Job|Plugin)ExecutionService|\w*ToolRunner")
EXECUTING = re.compile(r"run|run_\w+|execute\w*|analy[sz]e\w*|process\w*|start_job\w*")
SERVICE_ROLES = frozenset({Role.TOOL_RUNNER, Role.ANALYSIS_SERVICE, Role.JOB_SERVICE, Role.PLUGIN_SERVICE})
CARRIES_ON = re.compile(
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
DEEPEST = 4


def check(engine: Engine, code: str) -> Iterator[Finding]:
    """Check every try, every suppress and every gather that encloses an execution."""
    reach = Reach(engine)
    for module in engine.governed:
        reach.dispatching = any(info.module is module for info in engine.tool_runners)
        retried = _retried(module)
        for node in module.statements:
            if isinstance(node, (ast.Try, ast.TryStar)):
                yield from _of_try(reach, code, module, node, retried)
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                yield from _of_with(reach, code, module, node)
            elif isinstance(node, ast.Expr):
                yield from _of_gather(reach, code, module, node)


class Reach:
    """Which calls lead to an execution."""

    def __init__(self, engine: Engine) -> None:
        """Nothing is known yet."""
        self.engine = engine
        self.dispatching = False
        """Whether the code looked at is ToolRunner's, where what goes to the workers is an execution."""
        self._known: dict[FunctionInfo, bool] = {}

    def execution(self, statements: list[ast.stmt]) -> ast.AST | None:
        """The first call in the statements that leads to an execution, not looking into functions made there."""
        for statement in statements:
            for node in _walk(statement):
                if isinstance(node, ast.Call) and (self.executes(node, 0) or (self.dispatching and dispatches(node))):
                    return node
        return None

    def executes(self, node: ast.Call, depth: int) -> bool:
        """Whether a call runs a plugin, or calls into the chain to do so."""
        if is_run(self.engine, node):
            return True
        name = name_of(node)
        receivers = self.engine.receivers.get(node.func, frozenset())
        if EXECUTING.fullmatch(name):
            for atom in receivers:
                if atom in SERVICE_ROLES or (isinstance(atom, Instance) and LAYER_CLASSES.fullmatch(atom.info.name)):
                    return True
        for atom in self.engine.callees.get(node, ()):
            if isinstance(atom, Method) and atom.receiver in {Role.TOOL_RUNNER, Role.TOOL_RUNNER_CLASS}:
                return True
            if isinstance(atom, Function) and depth < DEEPEST and self._leads(atom.info, depth):
                return True
        return False

    def _leads(self, info: FunctionInfo, depth: int) -> bool:
        known = self._known.get(info)
        if known is not None:
            return known
        self._known[info] = False
        body = info.node.body if isinstance(info.node.body, list) else [info.node.body]
        calls = (node for part in body for node in _walk(part) if isinstance(node, ast.Call))
        self._known[info] = any(self.executes(node, depth + 1) for node in calls)
        return self._known[info]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        if not isinstance(current, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            pending.extend(ast.iter_child_nodes(current))


def _retried(module: ModuleInfo) -> set[ast.stmt]:
    """The statements of loops that try again, and end in a failure once they gave up."""
    found: set[ast.stmt] = set()
    for block in (module.tree.body, *(block for outer in module.statements for block in bodies_of(outer))):
        for loop, after in pairwise(block):
            if isinstance(loop, (ast.For, ast.AsyncFor, ast.While)) and _fails(after):
                found.update(item for item in ast.walk(loop) if isinstance(item, ast.stmt))
    return found


def _fails(node: ast.stmt) -> bool:
    """Whether a statement ends in a failure: it raises, or returns what says so."""
    if isinstance(node, ast.Raise):
        return True
    return isinstance(node, ast.Return) and any(
        CARRIES_ON.fullmatch(name_of(item)) for item in ast.walk(node) if isinstance(item, ast.Call)
    )


def _of_try(
    reach: Reach, code: str, module: ModuleInfo, node: ast.Try | ast.TryStar, retried: set[ast.stmt]
) -> Iterator[Finding]:
    suspects = [
        handler
        for handler in node.handlers
        if _swallows(handler) and not (node in retried and not isinstance(handler.body[-1], (ast.Return, ast.Break)))
    ]
    leaving = _leaves_finally(node.finalbody)
    if not suspects and leaving is None:
        return
    execution = reach.execution(node.body)
    if execution is None:
        return
    steps = (Step(place_of(module, execution), "the execution"),)
    for handler in suspects:
        yield Finding(place_of(module, handler), code, "An exception around an execution is swallowed", steps)
    if leaving is not None:
        yield Finding(
            place_of(module, leaving),
            code,
            "Leaving the finally block swallows an exception around an execution",
            steps,
        )


def _leaves_finally(statements: list[ast.stmt]) -> ast.stmt | None:
    for statement in statements:
        for node in _walk(statement):
            if isinstance(node, ast.Return):
                return node
    return None


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler does, on some way through it, nothing with the exception but perhaps log it."""
    if handler.type is not None and _names(handler.type) <= HARMLESS:
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


def _names(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Tuple):
        return set().union(*(_names(item) for item in node.elts))
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


def _of_with(reach: Reach, code: str, module: ModuleInfo, node: ast.With | ast.AsyncWith) -> Iterator[Finding]:
    managers = [entry.context_expr for entry in node.items]
    stacked = [
        argument
        for statement in node.body
        for call in _walk(statement)
        if isinstance(call, ast.Call) and name_of(call) in {"enter_context", "enter_async_context"}
        for argument in call.args
    ]
    for call in (*managers, *stacked):
        if isinstance(call, ast.Call) and _quiets(reach.engine, call):
            execution = reach.execution(node.body)
            if execution is not None:
                steps = (Step(place_of(module, execution), "the execution"),)
                yield Finding(place_of(module, call), code, "An exception around an execution is suppressed", steps)


def _quiets(engine: Engine, call: ast.Call) -> bool:
    """Whether a context manager drops exceptions: ``suppress`` under any name, or one of the project's that does."""
    callees = engine.callees.get(call, frozenset())
    if suppresses(call) or any(isinstance(atom, External) and atom.path == "contextlib.suppress" for atom in callees):
        return not all(_names(item) <= HARMLESS for item in call.args)
    for atom in callees:
        if isinstance(atom, Class):
            exits = [find_attribute(engine, atom.info, name, None) for name in ("__exit__", "__aexit__")]
            if any(_says_true(item.info.node) for found in exits for item in found if isinstance(item, Function)):
                return True
        elif isinstance(atom, Function) and any(
            isinstance(item, ast.Try)
            and any(isinstance(part, ast.Yield) for statement in item.body for part in _walk(statement))
            and any(map(_swallows, item.handlers))
            for item in ast.walk(atom.info.node)
        ):
            return True
    return False


def _says_true(function: ast.AST) -> bool:
    """Whether a function returns True somewhere, written out."""
    return any(
        isinstance(node, ast.Return) and isinstance(node.value, ast.Constant) and node.value.value is True
        for node in ast.walk(function)
    )


def _of_gather(reach: Reach, code: str, module: ModuleInfo, node: ast.Expr) -> Iterator[Finding]:
    """``gather(…, return_exceptions=True)`` whose results nobody looks at."""
    call = node.value.value if isinstance(node.value, ast.Await) else node.value
    if not isinstance(call, ast.Call) or name_of(call) != "gather":
        return
    quiet = any(
        keyword.arg == "return_exceptions" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )
    if quiet and reach.execution([ast.Expr(argument) for argument in call.args]) is not None:
        yield Finding(place_of(module, node), code, "The exceptions of executions are gathered and dropped")
