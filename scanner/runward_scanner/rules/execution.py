"""What counts as running a plugin, counting it and validating it, in the methods of ToolRunner."""

from __future__ import annotations

import ast

from runward_scanner.flow.paths import Walk
from runward_scanner.inference.classes import find_attribute
from runward_scanner.inference.model import SIMPLE, bodies_of
from runward_scanner.inference.values import PLUGIN_ROLES, Class, External, Function, Instance, Partial, PluginRun
from runward_scanner.logging_calls import is_log_call, name_of
from runward_scanner.patterns import Pattern, ending
from runward_scanner.rules.idle_handlers import quiets
from runward_scanner.walking import children, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

    from runward_scanner.flow.paths import State
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import ClassInfo, FunctionInfo
    from runward_scanner.inference.values import Value

CALLS = frozenset({ast.Call})
ASKED_FOR = frozenset(
    {ast.AnnAssign, ast.Assign, ast.Attribute, ast.Await, ast.Call, ast.NamedExpr, ast.Try, ast.TryStar}
)
"""What is looked for in whole functions."""
GUARDING = frozenset({ast.Try, ast.TryStar, ast.With, ast.AsyncWith})
MADE = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda})
APART = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try, ast.TryStar})
"""Statements whose own raises are not the function's, or are perhaps caught."""
YIELDS = (ast.Yield, ast.YieldFrom)
METRICS = "update_execution_metrics"
DISPATCH = Pattern(
    r"(?:_*)(?:dispatch\w*|run_plugin\w*|execute\w*|invoke\w*|run_in_worker|run_in_process|run_in_executor|to_thread|submit\w*"
    r"|run_on_worker|call_worker|send_to_worker|_?run_\w*plugin\w*|call_plugin)"
)
DISPATCHING = ("dispatch", "run_", "execute", "invoke", "to_thread", "submit", "call_", "send_")
"""How what that matches begins."""
is_pool_name = ending("pool", "pools", "worker", "workers", "executor", "dispatcher")
POOL_METHODS = (
    "run", "execute", "dispatch", "submit", "call", "invoke", "send", "request", "perform", "attempt", "lease", "apply",
)  # fmt: skip
"""How methods of what keeps workers begin that hand it something."""


class Methods:
    """The methods of one ToolRunner class, and what calls in them mean."""

    def __init__(self, engine: Engine, info: ClassInfo) -> None:
        """Take the class."""
        self.engine = engine
        self.info = info
        self._open: set[object] = set()
        self._nodes: dict[ast.AST, list[Any]] = {}
        self.executing: dict[ast.Call, bool] = {}
        """Whether calls run the plugin, as far as that was asked."""
        self.facts: dict[FunctionInfo, frozenset[str]] = {}
        """What functions establish for certain, as far as that was asked."""

    def functions(self, node: ast.Call) -> Collection[FunctionInfo]:
        """The functions among the files that a call may call, as far as that is known."""
        found = {atom.info for atom in self.engine.callees.get(node, ()) if type(atom) is Function}
        if len(found) == 1:
            return found
        function = node.func
        if (
            type(function) is ast.Attribute
            and type(function.value) is ast.Name
            and function.value.id in {"self", "cls"}
        ):
            own = find_attribute(self.engine, self.info, function.attr, None)
            return {atom.info for atom in own if type(atom) is Function}
        return ()

    def nodes(self, root: ast.AST, kinds: Collection[type]) -> list[Any]:
        """The nodes of some kinds in a function, level by level, as ``find`` gives them; each is gone through once."""
        known = self._nodes.get(root)
        if known is None:
            known = self._nodes[root] = find(root, ASKED_FOR)
        return [node for node in known if type(node) in kinds]

    def within(self, key: object) -> bool:
        """Note that something is being looked into; False where it already is."""
        if key in self._open:
            return False
        self._open.add(key)
        return True

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being looked into, so that an answer hangs on the question alone."""
        return not self._open

    def done(self, key: object) -> None:
        """Note that it no longer is."""
        self._open.discard(key)


def is_run(engine: Engine, node: ast.AST) -> bool:
    """Whether a call calls a plugin's run, or hands it to what will."""
    if type(node) is not ast.Call:
        return False
    for atom in engine.callees.get(node, ()):
        if type(atom) is PluginRun:
            return True
    for argument in node.args:
        if type(argument) is ast.Attribute and _is_plugins_run(engine, argument):
            return True
    for keyword in node.keywords:
        if type(keyword.value) is ast.Attribute and _is_plugins_run(engine, keyword.value):
            return True
    return False


def _is_plugins_run(engine: Engine, node: ast.Attribute) -> bool:
    """Whether an attribute is a plugin's ``run``."""
    if node.attr != "run":
        return False
    return any(atom in PLUGIN_ROLES or _is_plugin(atom) for atom in engine.receivers.get(node, ()))


def _is_plugin(atom: object) -> bool:
    return (type(atom) is Instance or type(atom) is Class) and "plugin" in atom.info.traits


def executes(engine: Engine, methods: Methods, node: ast.AST) -> bool:
    """Whether a call runs the plugin: itself, through a method of the class, or by handing it to the workers."""
    if type(node) is not ast.Call:
        return False
    known = methods.executing.get(node)
    if known is None:
        settled = methods.is_settled
        known = _executes(engine, methods, node)
        if settled:
            methods.executing[node] = known
    return known


def _executes(engine: Engine, methods: Methods, node: ast.Call) -> bool:
    if is_run(engine, node):
        return True
    functions = methods.functions(node)
    if functions and all(_governs(function) for function in functions):
        return False
    if functions and all(_belongs(function, methods) for function in functions):
        executing = any(_body_executes(engine, methods, function) for function in functions)
        return executing or (any(function.owner is None for function in functions) and dispatches(node))
    return dispatches(node)


def _governs(function: FunctionInfo) -> bool:
    """Whether a function is the ``run`` of a ToolRunner, which is held to the rules itself."""
    return function.name == "run" and function.owner is not None and "tool_runner" in function.owner.traits


def _belongs(function: FunctionInfo, methods: Methods) -> bool:
    return function.module is methods.info.module


def _body_executes(engine: Engine, methods: Methods, function: FunctionInfo) -> bool:
    if not methods.within(function):
        return False
    try:
        return any(executes(engine, methods, node) for node in methods.nodes(function.node, CALLS))
    finally:
        methods.done(function)


def dispatches(node: ast.Call) -> bool:
    """Whether a call, by its name, hands the run to the workers."""
    name = name_of(node)
    if name.lstrip("_").startswith(DISPATCHING) and DISPATCH.fullmatch(name):
        return True
    function = node.func
    if type(function) is ast.Attribute and name.startswith(POOL_METHODS):
        owner = function.value
        held = owner.attr if type(owner) is ast.Attribute else owner.id if type(owner) is ast.Name else ""
        return is_pool_name(held)
    return False


def own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """A node and those below it in order, without what stands in functions and classes made there."""
    pending = [root]
    while pending:
        node = pending.pop(0)
        yield node
        if type(node) not in MADE:
            pending[:0] = children(node)


def metric_calls(engine: Engine, methods: Methods, node: ast.AST) -> list[ast.Call]:
    """The calls below a node that count the execution, wherever they stand."""
    return [item for item in own_nodes(node) if type(item) is ast.Call and counts(engine, methods, item)]


def counts(engine: Engine, methods: Methods, node: ast.Call) -> bool:
    """Whether a call is update_execution_metrics(), or a function that certainly calls it."""
    callees = engine.callees.get(node, frozenset())
    if _names_metrics(callees):
        return True
    if name_of(node) == METRICS:
        # The name alone is no proof where it stands for something else that is known.
        return not callees or not all(isinstance(atom, (Function, External, Class)) for atom in callees)
    functions = methods.functions(node)
    return bool(functions) and all(_body_counts(engine, methods, function) for function in functions)


def _body_counts(engine: Engine, methods: Methods, function: FunctionInfo) -> bool:
    if _is_generator(function) or not methods.within(("counts", function)):
        return False
    walk = Walk(FinallyEffects(engine, methods, function.node), all_caught=True)
    start = frozenset({frozenset[str]()})
    try:
        if isinstance(function.node, ast.Lambda):
            ways = walk.expressions([function.node.body], start)
        else:
            ways = walk.body(function.node.body, start)
        ends = [*ways.normal, *ways.returned, *ways.raised]
        return bool(ends) and all("metrics" in state for state in ends)
    finally:
        methods.done(("counts", function))


def _is_generator(function: FunctionInfo) -> bool:
    """Whether a call of a function only makes a generator, and runs nothing of its body."""
    body = function.node.body
    return isinstance(body, list) and any(isinstance(node, YIELDS) for item in body for node in own_nodes(item))


def _names_metrics(callees: Value) -> bool:
    """Whether a value may be the function that counts, or a partial of it."""
    return any(
        atom.info.name == METRICS if type(atom) is Function else type(atom) is Partial and _names_metrics(atom.function)
        for atom in callees
    )


class FinallyEffects:
    """Facts within a final block: ``metrics`` once the execution was counted."""

    def __init__(self, engine: Engine, methods: Methods, around: ast.AST) -> None:
        """Take the class's methods and what the block stands in."""
        self.engine = engine
        self.methods = methods
        self._guarded = self._expected_to_raise(around)

    def apply(self, node: ast.AST, state: State) -> State:
        """A call that counts; a coroutine counts only when it is awaited, itself or shielded."""
        if type(node) is ast.Await:
            inner = node.value
            parts = [inner, *inner.args] if type(inner) is ast.Call else []
            if any(type(part) is ast.Call and counts(self.engine, self.methods, part) for part in parts):
                return state | {"metrics"}
        if type(node) is ast.Call and counts(self.engine, self.methods, node) and not self._is_coroutine(node):
            return state | {"metrics"}
        return state

    def _is_coroutine(self, node: ast.Call) -> bool:
        return any(type(function.node) is ast.AsyncFunctionDef for function in self.methods.functions(node))

    def raised(self, node: ast.AST, state: State) -> State | None:
        """What leaves the block: a wait, which can be cancelled, and a call whose function raises or that is guarded
        because it may. Other calls are taken to end.
        """
        if isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom)):
            return self.apply(node, state)
        if type(node) is not ast.Call:
            return None
        if counts(self.engine, self.methods, node):
            return state | {"metrics"}
        if name_of(node) in {"exit", "_exit", "quit", "abort"} or (node in self._guarded and not is_log_call(node)):
            return state
        return state if any(_raises(function.node) for function in self.methods.functions(node)) else None

    def caught(self, handler: ast.ExceptHandler, state: State) -> State:
        """A handler begins with the same facts."""
        return state

    def quiets(self, manager: ast.expr) -> bool:
        """``suppress``, or one of the project's that does the same."""
        return type(manager) is ast.Call and quiets(self.engine, manager)

    def _expected_to_raise(self, around: ast.AST) -> set[ast.AST]:
        """The calls below a node that are expected to raise: something around them catches."""
        bodies = [
            node.body
            for node in find(around, GUARDING)
            if ((type(node) is ast.Try or type(node) is ast.TryStar) and node.handlers)
            or (
                (type(node) is ast.With or type(node) is ast.AsyncWith)
                and any(self.quiets(item.context_expr) for item in node.items)
            )
        ]
        return {part for body in bodies for statement in body for part in find(statement, CALLS)}


def _raises(node: ast.AST) -> bool:
    """Whether a function has a raise of its own outside any try."""
    pending = [node.body] if (type(node) is ast.FunctionDef or type(node) is ast.AsyncFunctionDef) else []
    while pending:
        for item in pending.pop():
            kind = type(item)
            if kind is ast.Raise:
                return True
            if kind not in SIMPLE and kind not in APART:
                pending += bodies_of(item)
    return False
