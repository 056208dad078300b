"""Exceptions around an execution that end in nothing."""

from __future__ import annotations

import ast
from itertools import pairwise

from runward_scanner.finding import Finding, Step
from runward_scanner.inference.model import SIMPLE, bodies_of
from runward_scanner.inference.reporting import place_of
from runward_scanner.inference.values import Function, Instance, Method, Role
from runward_scanner.logging_calls import name_of
from runward_scanner.rules.execution import dispatches, is_run
from runward_scanner.rules.idle_handlers import calls_in, carries_on, quiets, swallows, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import FunctionInfo, ModuleInfo

SERVICES = frozenset({"AnalysisExecutionService", "JobExecutionService", "PluginExecutionService"})
EXECUTING = ("run_", "execute", "analyse", "analyze", "process", "start_job")
"""How methods of a layer begin that execute something, beside ``run``."""
RUNNER_ROLES = frozenset({Role.TOOL_RUNNER, Role.TOOL_RUNNER_CLASS})
SERVICE_ROLES = frozenset({Role.TOOL_RUNNER, Role.ANALYSIS_SERVICE, Role.JOB_SERVICE, Role.PLUGIN_SERVICE})
DEEPEST = 4
MADE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LOOPS = frozenset({ast.For, ast.AsyncFor, ast.While})


def check(engine: Engine, code: str) -> Iterator[Finding]:
    """Check every try, every suppress and every gather that encloses an execution."""
    reach = Reach(engine)
    for module in engine.governed:
        reach.dispatching = any(info.module is module for info in engine.tool_runners)
        for expression in module.statements(ast.Expr) if _may_name(module, "gather") else ():
            if _gathers(expression):
                yield from _of_gather(reach, code, module, expression)
        for node in module.statements(ast.Try, ast.TryStar):
            yield from _of_try(reach, code, module, node)
        for block in module.statements(ast.With, ast.AsyncWith):
            yield from _of_with(reach, code, module, block)


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
            for node in calls_in(statement):
                if self.executes(node, 0) or (self.dispatching and dispatches(node)):
                    return node
        return None

    def executes(self, node: ast.Call, depth: int) -> bool:
        """Whether a call runs a plugin, or calls into the chain to do so."""
        if is_run(self.engine, node):
            return True
        name = name_of(node)
        receivers = self.engine.receivers.get(node.func, frozenset())
        if name == "run" or name.startswith(EXECUTING):
            for atom in receivers:
                if atom in SERVICE_ROLES or (type(atom) is Instance and _is_layer(atom.info.name)):
                    return True
        for atom in self.engine.callees.get(node, ()):
            if type(atom) is Method and atom.receiver in RUNNER_ROLES:
                return True
            if type(atom) is Function and depth < DEEPEST and self._leads(atom.info, depth):
                return True
        return False

    def _leads(self, info: FunctionInfo, depth: int) -> bool:
        known = self._known.get(info)
        if known is not None:
            return known
        self._known[info] = False
        calls = calls_in(info.node) if info.is_lambda else info.calls
        self._known[info] = any(self.executes(node, depth + 1) for node in calls)
        return self._known[info]


def _is_layer(name: str) -> bool:
    """Whether a class is one of the chain's by its name."""
    return name in SERVICES or name.endswith("ToolRunner")


def _retried(module: ModuleInfo) -> set[ast.stmt]:
    """The statements of loops that try again, and end in a failure once they gave up."""
    found: set[ast.stmt] = set()
    pending = [module.tree.body]
    while pending:
        block = pending.pop()
        pending.extend(inner for outer in block if type(outer) not in SIMPLE for inner in bodies_of(outer))
        for loop, after in pairwise(block):
            if type(loop) in LOOPS and _fails(after):
                found.update(item for item in ast.walk(loop) if isinstance(item, ast.stmt))
    return found


def _gives_up(module: ModuleInfo, node: ast.stmt, handler: ast.ExceptHandler) -> bool:
    """Whether a handler in a loop that counts its rounds raises once they were enough."""
    for loop in module.statements(ast.For, ast.AsyncFor, ast.While):
        if node not in loop.body:
            continue
        counted = type(loop) is ast.While or (type(loop.iter) is ast.Call and name_of(loop.iter) in COUNTING)
        rounds = {} if type(loop) is ast.While else {part.id for part in walk(loop.target) if type(part) is ast.Name}
        for item in handler.body if counted else ():
            if type(item) is ast.If and any(type(part) is ast.Raise for part in item.body):
                asked = {part.id for part in walk(item.test) if type(part) is ast.Name}
                return type(loop) is ast.While or not asked.isdisjoint(rounds)
    return False


COUNTING = frozenset({"range", "count", "enumerate"})


def _fails(node: ast.stmt) -> bool:
    """Whether a statement ends in a failure: it raises, or returns what says so."""
    if type(node) is ast.Raise:
        return True
    return type(node) is ast.Return and any(
        carries_on(name_of(item)) for item in ast.walk(node) if type(item) is ast.Call
    )


def _of_try(reach: Reach, code: str, module: ModuleInfo, node: ast.Try | ast.TryStar) -> Iterator[Finding]:
    suspects = [handler for handler in node.handlers if swallows(handler)]
    leaving = _leaves_finally(node.finalbody)
    if not suspects and leaving is None:
        return
    execution = reach.execution(node.body)
    if execution is None:
        return
    steps = (Step(place_of(module, execution), "the execution"),)
    retried = node in _retried(module)
    for handler in suspects:
        gives_up = retried or _gives_up(module, node, handler)
        if gives_up and not isinstance(handler.body[-1], (ast.Return, ast.Break)):
            continue
        yield Finding(place_of(module, handler), code, "An exception around an execution is swallowed", steps)
    if leaving is not None:
        yield Finding(
            place_of(module, leaving),
            code,
            "Leaving the finally block swallows an exception around an execution",
            steps,
        )


def _leaves_finally(statements: list[ast.stmt], *, in_loop: bool = False) -> ast.stmt | None:
    """What in a final block leaves it: a return, or a break or continue of a loop around it."""
    for statement in statements:
        if type(statement) is ast.Return or (
            (type(statement) is ast.Break or type(statement) is ast.Continue) and not in_loop
        ):
            return statement
        if isinstance(statement, MADE):
            continue
        looping = in_loop or type(statement) in LOOPS
        for body in bodies_of(statement):
            found = _leaves_finally(body, in_loop=looping)
            if found is not None:
                return found
    return None


def _of_with(reach: Reach, code: str, module: ModuleInfo, node: ast.With | ast.AsyncWith) -> Iterator[Finding]:
    managers = [entry.context_expr for entry in node.items]
    if _may_name(module, "enter_context", "enter_async_context"):
        managers.extend(
            argument
            for statement in node.body
            for call in calls_in(statement)
            if name_of(call) in {"enter_context", "enter_async_context"}
            for argument in call.args
        )
    for call in managers:
        if type(call) is ast.Call and quiets(reach.engine, call):
            execution = reach.execution(node.body)
            if execution is not None:
                steps = (Step(place_of(module, execution), "the execution"),)
                yield Finding(place_of(module, call), code, "An exception around an execution is suppressed", steps)


def _may_name(module: ModuleInfo, *names: str) -> bool:
    """Whether a file may name one of these; letters beyond ASCII may spell the names in other ways."""
    text = module.source.text
    return any(name in text for name in names) or not text.isascii()


def _gathers(node: Any) -> bool:
    """Whether a statement is a call of ``gather``, awaited or not."""
    call = node.value.value if type(node.value) is ast.Await else node.value
    return type(call) is ast.Call and name_of(call) == "gather"


def _of_gather(reach: Reach, code: str, module: ModuleInfo, node: ast.Expr) -> Iterator[Finding]:
    """``gather(…, return_exceptions=True)`` whose results nobody looks at."""
    call = node.value.value if type(node.value) is ast.Await else node.value
    if type(call) is not ast.Call:
        return
    quiet = any(
        keyword.arg == "return_exceptions" and type(keyword.value) is ast.Constant and keyword.value.value is True
        for keyword in call.keywords
    )
    if quiet and reach.execution([ast.Expr(argument) for argument in call.args]) is not None:
        yield Finding(place_of(module, node), code, "The exceptions of executions are gathered and dropped")
