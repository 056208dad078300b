"""RWD002: ``ToolRunner.run`` counts every execution, in a ``finally``, on every path."""

from __future__ import annotations

import ast

from runward_scanner.finding import Finding, Step
from runward_scanner.flow.paths import Walk
from runward_scanner.inference.classes import ancestors
from runward_scanner.inference.reporting import place_of
from runward_scanner.inference.values import Class, Function, Instance, Role, Value, texts
from runward_scanner.rule import Rule
from runward_scanner.rules.execution import METRICS, FinallyEffects, Methods, executes, metric_calls, own_nodes
from runward_scanner.rules.overridden import dropped_by, method_of, rebound
from runward_scanner.rules.validators import is_abstract, is_empty, is_stub
from runward_scanner.walking import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo
    from runward_scanner.settings import Settings

PATCHERS = frozenset({"object", "patch", "setattr", "delattr", "multiple", "replace_attribute"})
REPLACED = frozenset({"run", METRICS, "*"})
TRIES = (ast.Try, ast.TryStar)


class MetricsInFinally(Rule):
    """``ToolRunner.run``, and each override of it, calls update_execution_metrics() in a finally on every path."""

    code = "RWD002"
    title = "ToolRunner.run does not count every execution in a finally"
    explanation = """
ToolRunner.run, and every override of it, has a try whose finally calls update_execution_metrics() on every
path. Not behind a condition, not after something that can leave the block, not in a function that nobody calls;
and nothing in the block returns, which would swallow the exception. Make the call the first statement of the
finally.
"""

    calls_named = PATCHERS

    def stores_named(self, settings: Settings) -> Collection[str]:
        """What ToolRunner is replaced by."""
        return REPLACED | {"__code__", "__class__"}

    def on_store(self, frame: Frame, node: ast.AST, receiver: Value | None, name: str, value: Value) -> None:
        """Report ``ToolRunner.run`` or its metrics being replaced."""
        if receiver is None:
            return
        if name == "__code__" and any(type(atom) is Function and _is_governing(frame, atom) for atom in receiver):
            frame.report(self.code, node, "The code of a method of ToolRunner is replaced")
        if name == "__class__" and any(_is_runner(atom) for atom in receiver):
            frame.report(self.code, node, "The class of a ToolRunner is replaced")
        if name not in REPLACED:
            return
        if any(_is_runner(atom) for atom in receiver):
            what = "an attribute with a computed name" if name == "*" else name
            frame.report(self.code, node, f"ToolRunner's {what} is replaced")

    def on_call(self, frame: Frame, node: ast.Call, callee: Value, arguments: object) -> None:
        """Report ``patch.object(ToolRunner, "run")`` and its like."""
        for argument in node.args[:2]:
            value = frame.value(argument)
            dotted = any(text.endswith((".ToolRunner.run", f".ToolRunner.{METRICS}")) for text in texts(value))
            if dotted or (any(_is_runner(atom) for atom in value) and _names_run(frame, node)):
                frame.report(self.code, node, "ToolRunner's run is replaced")
                return

    def finish(self, engine: Engine) -> Iterator[Finding]:
        """Check ToolRunner and the classes that derive from it."""
        for function in engine.functions.values():
            named = function.name == METRICS and function.module.governed and not is_abstract(function)
            if named and is_empty(function.node) and not is_stub(function.node):
                yield Finding(place_of(function.module, function.node), self.code, f"{METRICS} counts nothing")
        for info in engine.classes.values():
            if not info.module.governed:
                continue
            named = info.name == engine.settings.tool_runner_class
            if named and not engine.is_tool_runner(info):
                continue
            if (
                named
                or any(base.name == engine.settings.tool_runner_class for base in ancestors(info))
                or "tool_runner" in info.traits
            ):
                yield from self._check(engine, info, required=named and engine.is_tool_runner(info))

    def _check(self, engine: Engine, info: ClassInfo, *, required: bool) -> Iterator[Finding]:
        for name in ("run", METRICS):
            changed = rebound(info, name) or dropped_by(engine, info.module, method_of(info, name) or ast.Pass())
            if changed is not None:
                yield self._finding(info, changed, f"{name} is replaced where it is defined")
        asked = method_of(info, "__getattribute__")
        if asked is not None:
            yield self._finding(info, asked, "what run calls may be replaced by __getattribute__")
        yield from self._made_by_metaclass(info)
        method = method_of(info, "run")
        if method is None:
            if required and not any(_has_run(base) for base in ancestors(info)[1:]):
                yield Finding(place_of(info.module, info.node), self.code, f"{info.name} has no method run")
            return
        methods = Methods(engine, info)
        tries = [node for item in method.body for node in own_nodes(item) if isinstance(node, TRIES) and node.finalbody]
        if not tries:
            yield self._finding(info, method, "run has no finally block")
            return
        counting = [node for node in tries if any(metric_calls(engine, methods, item) for item in node.finalbody)]
        if not counting:
            yield self._finding(info, tries[-1].finalbody[0], f"the finally block does not call {METRICS}()")
            return
        problems = [problem for node in counting for problem in self._problems(engine, methods, info, node)]
        if problems:
            yield problems[0]
            return
        yield from self._uncovered(engine, methods, info, method, counting)

    def _made_by_metaclass(self, info: ClassInfo) -> Iterator[Finding]:
        """Report a class of ToolRunner's class that says what ``run`` is."""
        for atom in info.keywords.get("metaclass", ()):
            if type(atom) is Class:
                named = find(atom.info.node, frozenset({ast.Constant}))
                if any(node.value in {"run", METRICS} for node in named):
                    yield self._finding(info, info.node, "run may be replaced by the class's own class")

    def _problems(
        self, engine: Engine, methods: Methods, info: ClassInfo, node: ast.Try | ast.TryStar
    ) -> Iterator[Finding]:
        """What keeps a final block from counting on every path, or makes it swallow."""
        effects = FinallyEffects(engine, methods, ast.Module(node.finalbody, []))
        ways = Walk(effects, all_caught=True).body(node.finalbody, frozenset({frozenset()}))
        calls = [call for item in node.finalbody for call in metric_calls(engine, methods, item)]
        if any("metrics" not in state for state in ways.normal):
            yield self._finding(info, calls[0], f"{METRICS}() is not called on every path through the finally block")
        missed = [state for states in (ways.raised, ways.returned, ways.broken, ways.continued) for state in states]
        if any("metrics" not in state for state in missed):
            leaver = _leaver(node.finalbody, effects) or calls[0]
            steps = (Step(place_of(info.module, leaver), "the block can be left here"),)
            yield self._finding(info, calls[0], f"the finally block can be left before {METRICS}() is called", steps)
        swallowing = next((item for item in _leaving(node.finalbody)), None)
        if swallowing is not None:
            yield self._finding(info, swallowing, "leaving the finally block here swallows the exception in flight")

    def _uncovered(
        self,
        engine: Engine,
        methods: Methods,
        info: ClassInfo,
        method: ast.FunctionDef | ast.AsyncFunctionDef,
        tries: list[ast.Try | ast.TryStar],
    ) -> Iterator[Finding]:
        """Report an execution in ``run`` that no counting finally encloses."""
        covered = {
            node for item in tries for part in (*item.body, *item.handlers, *item.orelse) for node in ast.walk(part)
        }
        points = [node for item in method.body for node in own_nodes(item) if executes(engine, methods, node)]
        for node in points:
            if node not in covered:
                yield self._finding(info, node, f"the plugin is run outside the try whose finally calls {METRICS}()")
        if not points and tries and not any(type(node) is ast.Call for node in covered):
            yield self._finding(info, tries[0], f"the try whose finally calls {METRICS}() encloses no execution")

    def _finding(self, info: ClassInfo, node: ast.AST, what: str, steps: tuple[Step, ...] = ()) -> Finding:
        start = Step(place_of(info.module, info.node), f"class {info.name}")
        return Finding(place_of(info.module, node), self.code, f"{info.name}.run: {what}", (start, *steps))


def _leaving(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """What leaves a final block and drops what was in flight: return, and break or continue of an outer loop."""
    pending = [(item, False) for item in statements]
    while pending:
        node, looped = pending.pop(0)
        if type(node) is ast.Return or ((type(node) is ast.Break or type(node) is ast.Continue) and not looped):
            yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        inner = looped or isinstance(node, (ast.For, ast.AsyncFor, ast.While))
        pending[:0] = [(child, inner) for child in _inner_statements(node)]


def _inner_statements(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif type(child) is ast.ExceptHandler or type(child) is ast.match_case:
            yield from _inner_statements(child)


def _leaver(statements: list[ast.stmt], effects: FinallyEffects) -> ast.AST | None:
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, (ast.Return, ast.Raise, ast.Break, ast.Continue, ast.Assert)):
                return node
            if (type(node) is ast.Call or type(node) is ast.Await) and effects.raised(node, frozenset()) == frozenset():
                return node
    return None


def _is_function(node: ast.stmt, name: str) -> bool:
    return (type(node) is ast.FunctionDef or type(node) is ast.AsyncFunctionDef) and node.name == name


def _has_run(info: ClassInfo) -> bool:
    return any(_is_function(item, "run") for item in info.node.body)


def _is_runner(atom: object) -> bool:
    if type(atom) is Instance or type(atom) is Class:
        return "tool_runner" in atom.info.traits
    if type(atom) is Function:
        return False
    return atom in {Role.TOOL_RUNNER, Role.TOOL_RUNNER_CLASS}


def _is_governing(frame: Frame, function: Function) -> bool:
    """Whether a function is ToolRunner's ``run``, or counts its executions."""
    owner = function.info.owner
    return function.info.name in {"run", METRICS} and owner is not None and frame.engine.is_tool_runner(owner)


def _names_run(frame: Frame, node: ast.Call) -> bool:
    return any({"run", METRICS} & set(texts(frame.value(argument))) for argument in node.args[1:2]) or any(
        keyword.arg in {"run", METRICS} for keyword in node.keywords
    )
