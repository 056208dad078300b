"""Validation before the plugin and after it, on every way through ToolRunner."""

from __future__ import annotations

import ast

from runward_scanner.finding import Finding, Step
from runward_scanner.flow.paths import Walk
from runward_scanner.inference.classes import ancestors
from runward_scanner.inference.reporting import place_of
from runward_scanner.inference.values import External, Function
from runward_scanner.logging_calls import name_of
from runward_scanner.patterns import Pattern
from runward_scanner.rules.execution import Methods, dispatches, executes, is_run
from runward_scanner.rules.idle_handlers import quiets
from runward_scanner.rules.overridden import method_of
from runward_scanner.rules.results import REBINDING, around_runs, bound_by, outputs, results
from runward_scanner.rules.validators import (
    checks,
    idle,
    is_abstract,
    is_input_check,
    is_output_check,
    names_validator,
    unused,
)
from runward_scanner.walking import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runward_scanner.flow.paths import State
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import ClassInfo, FunctionInfo

ATTRIBUTES, AWAITS, CALLS, NAMES = (frozenset({kind}) for kind in (ast.Attribute, ast.Await, ast.Call, ast.Name))
START: frozenset[State] = frozenset({frozenset()})
SAME = Pattern(r"cast|copy|deepcopy|loads?|decode\w*|unpack\w*|from_\w+|parse\w*|result")
"""Functions that give the same content, or the content of what carried it, so that validating their result counts."""


def check(engine: Engine, code: str) -> Iterator[Finding]:
    """Check every class named ToolRunner or derived from it, and the validators themselves."""
    yield from idle(engine, code)
    found = list(_check_classes(engine, code))
    yield from found
    runs = any(_has_run(info) for info in engine.tool_runners)
    if not found and runs:
        yield from unused(engine, code)


def _check_classes(engine: Engine, code: str) -> Iterator[Finding]:
    for info in engine.classes.values():
        named = info.name == engine.settings.tool_runner_class
        if info.module.governed and (engine.is_tool_runner(info) if named else "tool_runner" in info.traits):
            yield from _check_class(engine, code, info)


def _check_class(engine: Engine, code: str, info: ClassInfo) -> Iterator[Finding]:
    methods = Methods(engine, info)
    own = [item for item in info.node.body if (type(item) is ast.FunctionDef or type(item) is ast.AsyncFunctionDef)]
    run = method_of(info, "run")
    running = [item for item in own if any(is_run(engine, node) for node in methods.nodes(item, CALLS))]
    direct = [item for item in running if item is not run]
    if run is not None:
        yield from _check_run(code, methods, run, direct)
    reached = _reached(methods, run) if run is not None else set()
    local = run in running
    calls = [node for method in own for node in methods.nodes(method, CALLS)] if run is not None else []
    called = {function.node for call in calls for function in methods.functions(call)}
    for method in direct:
        effects = Effects(engine, methods, method)
        Walk(effects).body(method.body, START)
        # What a private method that is called gives is its caller's to validate, and is followed there.
        followed = method.name.startswith("_") and method in called
        for node in effects.unvalidated if not followed else ():
            yield _finding(code, info, method, node, "the plugin's output leaves without having been validated")
        if method not in reached and local:
            for node in effects.unchecked:
                yield _finding(code, info, method, node, "the plugin is run without its input having been validated")


def _reached(methods: Methods, run: ast.AST) -> set[ast.AST]:
    """The methods that ``run`` calls or hands on, directly or not."""
    named: dict[str, list[ast.AST]] = {}
    for item in methods.info.node.body:
        if type(item) is ast.FunctionDef or type(item) is ast.AsyncFunctionDef:
            named.setdefault(item.name, []).append(item)
    found: set[ast.AST] = set()
    pending = [run]
    while pending:
        for node in methods.nodes(pending.pop(), ATTRIBUTES):
            new = [item for item in named.get(node.attr, ()) if item not in found]
            found.update(new)
            pending += new
    return found


def _check_run(
    code: str,
    methods: Methods,
    run: ast.FunctionDef | ast.AsyncFunctionDef,
    direct: list[ast.FunctionDef | ast.AsyncFunctionDef],
) -> Iterator[Finding]:
    """Check that ``run`` validates before it executes, and that what it executes is validated."""
    engine, info = methods.engine, methods.info
    effects = Effects(engine, methods, run)
    itself = any(is_output_check(name_of(node)) for node in methods.nodes(run, CALLS))
    effects.worker_validates = not itself and any(_validates_output(engine, methods, item) for item in direct)
    Walk(effects).body(run.body, START)
    for node in effects.unchecked:
        yield _finding(code, info, run, node, "the plugin is run without its input having been validated on every path")
    for node in effects.unvalidated:
        yield _finding(code, info, run, node, "the plugin's output leaves without having been validated")
    if not effects.executions and not any(_has_run(base) for base in ancestors(info)[1:]):
        calls = methods.nodes(run, CALLS)
        if calls and not any(effects.validates(node, is_input_check) for node in calls):
            yield _finding(code, info, run, run, "the input is never validated")


def _has_run(info: ClassInfo) -> bool:
    return any(
        (type(item) is ast.FunctionDef or type(item) is ast.AsyncFunctionDef) and item.name == "run"
        for item in info.node.body
    )


def _validates_output(engine: Engine, methods: Methods, method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    effects = Effects(engine, methods, method)
    Walk(effects).body(method.body, START)
    return bool(effects.executions) and not effects.unvalidated


def _finding(code: str, info: ClassInfo, method: ast.AST, node: ast.AST, what: str) -> Finding:
    name = getattr(method, "name", "run")
    step = Step(place_of(info.module, method), f"{info.name}.{name}")
    return Finding(place_of(info.module, node), code, f"{info.name}.{name}: {what}", (step,))


class Effects:
    """Facts in ToolRunner: ``checked`` input, ``ran``, ``valid`` output, ``failed`` once an exception was caught."""

    def __init__(self, engine: Engine, methods: Methods, method: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Take the method that is walked."""
        self.engine = engine
        self.methods = methods
        self.executions: list[ast.AST] = []
        self.unchecked: list[ast.AST] = []
        self.unvalidated: list[ast.AST] = []
        self.worker_validates = False
        self._results = results(engine, methods, method)
        self._outputs = outputs(engine, methods, method)
        self._around_runs = around_runs(engine, methods, method)
        self._awaited = {node.value for node in methods.nodes(method, AWAITS)}
        self._inputs = self._validated_names(method)

    def apply(self, node: ast.AST, state: State) -> State:
        """Calls that validate or execute; a return of unvalidated output is noted."""
        if isinstance(node, REBINDING):
            gone = {"checked"} if self._replaces(node, self._inputs) else set()
            return state - gone - ({"ran"} if self._replaces(node, self._outputs) else set())
        if type(node) is ast.Return or type(node) is ast.Yield:
            bare = type(node.value) is ast.Name and node.value.id in self._outputs
            excused = not bare and ("failed" in state or "refused" in state)
            if "ran" in state and "valid" not in state and not excused and self._tells(node.value):
                self._note(self.unvalidated, node)
            return state
        if type(node) is not ast.Call:
            return state
        if self.validates(node, is_input_check):
            return state | ({"checked"} if self._always_checks(node) else frozenset())
        if self.validates(node, is_output_check) and self._takes_result(node):
            return state | {"valid"}
        if executes(self.engine, self.methods, node):
            return self._executed(node, state)
        return state | self._within(node)

    def _executed(self, node: ast.Call, state: State) -> State:
        self._note(self.executions, node)
        inner = self._within(node)
        if "checked" not in state and "checked" not in inner:
            self._note(self.unchecked, node)
        after = (state | {"ran"}) - {"valid", "failed", "refused"}
        handed = self.worker_validates and not is_run(self.engine, node) and dispatches(node)
        return after | {"valid"} if handed or "valid" in inner else after

    def raised(self, node: ast.AST, state: State) -> State | None:
        """Any call may raise; nothing is established then."""
        return state if isinstance(node, (ast.Call, ast.Await, ast.Subscript)) else None

    def caught(self, handler: ast.ExceptHandler, state: State) -> State:
        """An exception was caught: what is returned from here on is not the plugin's output."""
        return state | {"failed" if handler in self._around_runs else "refused"}

    def validates(self, node: ast.Call, is_kind: Callable[[str], bool]) -> bool:
        """Whether a call is one of the validators, and is one that checks something."""
        functions = [atom.info for atom in self.engine.callees.get(node, ()) if type(atom) is Function]
        named = is_kind(name_of(node)) or (bool(functions) and all(is_kind(info.name) for info in functions))
        if not named and not _is_asked(node, is_kind):
            return False
        others = [atom.path for atom in self.engine.callees.get(node, ()) if type(atom) is External]
        if any(not is_kind(path.rpartition(".")[2]) for path in others) and not _is_asked(node, is_kind):
            return False  # something else has a validator's name
        for info in functions:
            if not is_abstract(info) and ((named and not is_kind(info.name)) or not checks(self.engine, info)):
                return False
        if any(type(info.node) is ast.AsyncFunctionDef for info in functions) and node not in self._awaited:
            return False
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        return not arguments or not all(_is_literal(argument) for argument in arguments)

    def _always_checks(self, node: ast.Call) -> bool:
        """Whether a validating method of ToolRunner itself asks its validator on every way through it."""
        functions = self.methods.functions(node)
        if any(item.owner is not self.methods.info or type(item.node) is ast.Lambda for item in functions):
            return True
        calls = [item for function in functions for item in self.methods.nodes(function.node, CALLS)]
        return not any(self.validates(item, is_input_check) for item in calls) or "checked" in self._within(node)

    def _takes_result(self, node: ast.Call) -> bool:
        """Whether a validator is given what the plugin gave itself, as far as that can be followed."""
        if not self._results:
            return True
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        return any(self._is_result(argument) for argument in arguments)

    def _is_result(self, node: ast.expr) -> bool:
        """Whether an expression is what an execution gave, or a part of it, not something else made of it."""
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Await, ast.Starred, ast.NamedExpr)):
            node = node.value
        if type(node) is ast.Name:
            return node.id in self._results
        if type(node) is not ast.Call:
            return False
        if any(executes(self.engine, self.methods, item) for item in find(node, CALLS)):
            return True
        return SAME.fullmatch(name_of(node)) is not None and any(map(self._is_result, node.args))

    def _tells(self, node: ast.expr | None) -> bool:
        """Whether what is returned may be what the plugin gave, as far as that can be followed."""
        if node is None or type(node) is ast.Constant:
            return False
        named = not self._results or any(item.id in self._results for item in find(node, NAMES))
        return named or any(executes(self.engine, self.methods, item) for item in find(node, CALLS))

    def _validated_names(self, method: ast.AST) -> set[str]:
        """The names that the input's validators are given."""
        calls = [node for node in self.methods.nodes(method, CALLS) if self.validates(node, is_input_check)]
        return {item.id for call in calls for item in call.args if type(item) is ast.Name}

    def _replaces(self, node: ast.AST, held: set[str]) -> bool:
        """Whether an assignment puts something else under one of some names, not made of what they hold."""
        targets, values = bound_by(node)
        names = {item.id for target in targets for item in find(target, NAMES)}
        if not values or not names & held:
            return False
        kept = any(item.id in held for value in values for item in find(value, NAMES))
        calls = (call for value in values for call in find(value, CALLS))
        return not kept and not any(executes(self.engine, self.methods, call) for call in calls)

    def quiets(self, manager: ast.expr) -> bool:
        """``suppress``, or one of the project's that does the same."""
        return type(manager) is ast.Call and quiets(self.engine, manager)

    def _within(self, node: ast.Call) -> State:
        """What a method of the module that is called establishes for certain, whichever it is."""
        found = [self._facts(function) for function in self.methods.functions(node)]
        return frozenset.intersection(*found) if found else frozenset()

    def _facts(self, function: FunctionInfo) -> State:
        """What a function establishes for certain, where it is the module's."""
        if isinstance(function.node, ast.Lambda) or function.module is not self.methods.info.module:
            return frozenset()
        known = self.methods.facts.get(function)
        if known is not None:
            return known
        settled = self.methods.is_settled
        if not self.methods.within(("facts", function)):
            return frozenset()
        found = self._established(function.node, function)
        if settled:
            self.methods.facts[function] = found
        return found

    def _established(self, node: ast.FunctionDef | ast.AsyncFunctionDef, function: FunctionInfo) -> State:
        """What a function establishes on every way through it."""
        try:
            inner = Effects(self.engine, self.methods, node)
            ways = Walk(inner).body(node.body, START)
            ends = [*ways.normal, *ways.returned]
            facts = frozenset.intersection(*ends) if ends else frozenset()
            if not inner.executions:
                return facts & {"checked", "valid"}
            # What is refused within runs no plugin, so it is enough that every execution within was checked.
            kept = frozenset({"checked"}) if not inner.unchecked else facts & {"checked"}
            return kept | ({"valid"} if not inner.unvalidated else facts & {"valid"})
        finally:
            self.methods.done(("facts", function))

    def _note(self, where: list[ast.AST], node: ast.AST) -> None:
        if node not in where:
            where.append(node)


def _is_asked(node: ast.Call, is_kind: Callable[[str], bool]) -> bool:
    """Whether a call asks an object that is a validator by its name, of this kind as far as the name says."""
    owner = names_validator(node.func)
    other = is_input_check if is_kind is is_output_check else is_output_check
    return bool(owner) and not other(f"validate_{owner.lstrip('_')}")


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return all(_is_literal(item) for item in node.elts)
    if type(node) is ast.Dict:
        return all(_is_literal(item) for item in node.values)
    return type(node) is ast.Constant
