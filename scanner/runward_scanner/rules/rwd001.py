"""RWD001: no way to a plugin's ``run`` outside class ToolRunner."""

from __future__ import annotations

import ast
from types import MappingProxyType

from runward_scanner.finding import Finding
from runward_scanner.inference.attention import always
from runward_scanner.inference.interest import FILLING
from runward_scanner.inference.proof import steps_to
from runward_scanner.inference.reporting import place_of
from runward_scanner.inference.values import (
    Class,
    Container,
    Function,
    Instance,
    Method,
    Module,
    Partial,
    PluginRun,
    Role,
    Thing,
    Value,
    texts,
)
from runward_scanner.patterns import ends_with
from runward_scanner.rule import Rule
from runward_scanner.rules.execution import is_run as is_call_of_run
from runward_scanner.walking import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo, FunctionInfo
    from runward_scanner.settings import Settings


class OnlyToolRunnerRuns(Rule):
    """A plugin's ``run`` is called, obtained or handed on by ToolRunner alone."""

    code = "RWD001"
    title = "A plugin's run is reached outside ToolRunner"
    explanation = """
Only class ToolRunner may call a plugin's run, obtain it or hand it on: by name, alias, partial, methodcaller,
getattr, __dict__, type(plugin).run, a thread or an executor. A receiver that is shown not to be a plugin is
never reported. Ask PluginExecutionService to execute the job. super().run() in a plugin's own run is fine.
The permit that lets the runtime guard pass is ToolRunner's alone too.
"""

    attributes_of = MappingProxyType({Class: lambda settings, atom: _is_permit(settings, atom.info)})
    stores_of = MappingProxyType({PluginRun: always, Function: always, Partial: always})
    returns_of = MappingProxyType({PluginRun: always, Function: always, Partial: always, Container: always})

    calls_named = FILLING

    def stores_named(self, settings: Settings) -> Collection[str]:
        """``run`` and ToolRunner."""
        return "run", "__class__", settings.tool_runner_class

    def minds_class(self, settings: Settings, info: ClassInfo) -> bool:
        """Permits."""
        return _is_permit(settings, info)

    def on_run(self, frame: Frame, node: ast.AST, owner: Any) -> None:
        """Report each place that reaches ``run``."""
        receiver = node.value if type(node) is ast.Attribute else None
        if type(owner) is PluginRun:
            message = "A plugin's run that ToolRunner handed out is used outside ToolRunner"
        else:
            message = f"{_described(owner)}'s run is reached outside ToolRunner"
        frame.report(self.code, node, message, steps_to(frame, receiver) if receiver is not None else ())

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._given: list[tuple[Finding, tuple[FunctionInfo, ...]]] = []
        """What to report where one of these functions runs a plugin, which shows once all is read."""

    def on_return(self, frame: Frame, node: ast.Return | ast.Yield, value: Value) -> None:
        """Report where ToolRunner itself hands ``run`` out, or a function made there that calls it."""
        if node.value is not None and frame.inside and frame.engine.is_tool_runner_code(frame):
            self._hands(frame, node.value, value, "ToolRunner hands a plugin's run out instead of calling it")

    def _hands(self, frame: Frame, node: ast.AST, value: Value, what: str) -> None:
        """Report a value that is a plugin's ``run``, or holds it; a function that may call it once all is read."""
        functions: list[FunctionInfo] = []
        if _holds_run(frame, value, functions, 3):
            frame.report(self.code, node, what)
        elif functions:
            finding = frame.finding(self.code, node, what)
            if finding is not None:
                self._given.append((finding, tuple(functions)))

    def on_store(self, frame: Frame, node: ast.AST, receiver: Value | None, name: str, value: Value) -> None:
        """Report a plugin's ``run`` being replaced or kept by ToolRunner, and ToolRunner itself being replaced."""
        if frame.inside and self._outlives(frame, name, receiver):
            self._hands(frame, node, value, "ToolRunner keeps a plugin's run, where others can reach it")
        if name == "__class__" and receiver is not None and any(_is_plugin(atom) for atom in receiver):
            frame.report(self.code, node, "A plugin's class, and its run with it, is replaced")
        named = name == frame.engine.settings.tool_runner_class
        if named and receiver is not None and any(type(atom) is Module for atom in receiver):
            frame.report(self.code, node, f"The class {name} is replaced")
        if name == "run" and receiver is not None and any(_is_plugin(atom) for atom in receiver):
            frame.report(self.code, node, "A plugin's run is replaced")

    def on_construct(self, frame: Frame, node: ast.AST, info: ClassInfo, arguments: Arguments) -> None:
        """Report a permit that is made outside ToolRunner."""
        self._permit(frame, node, info)

    def on_attribute(self, frame: Frame, node: ast.AST, receiver: Value, name: str, result: Value) -> None:
        """Report the use of the class of permits outside ToolRunner, such as to appoint another holder."""
        for atom in receiver:
            if type(atom) is Class:
                self._permit(frame, node, atom.info)

    def _permit(self, frame: Frame, node: ast.AST, info: ClassInfo) -> None:
        """Report a class of permits in use, but for ToolRunner and the module that defines it."""
        if frame.module is info.module or frame.engine.is_tool_runner_code(frame):
            return
        if _is_permit(frame.engine.settings, info):
            frame.report(self.code, node, f"{info.name}, which lets a plugin run, is used outside ToolRunner")

    def _outlives(self, frame: Frame, name: str, receiver: Value | None) -> bool:
        """Whether what ToolRunner writes to outlives the call: an attribute, or a global."""
        return frame.engine.is_tool_runner_code(frame) and (receiver is not None or name in frame.global_names)

    def on_item(self, frame: Frame, node: ast.AST, receiver: Value, index: Value, value: Value) -> None:
        """Report ToolRunner keeping ``run`` in a container that outlives the call."""
        self._kept(frame, node, receiver, value)

    def on_call(self, frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> None:
        """Report the same by ``append`` and the like."""
        for atom in callee:
            if type(atom) is Method and atom.name in FILLING:
                self._kept(frame, node, frozenset({atom.receiver}), arguments.every())

    def _kept(self, frame: Frame, node: ast.AST, receiver: Value, value: Value) -> None:
        if not frame.inside or not frame.engine.is_tool_runner_code(frame):
            return
        if any(
            (type(atom) is Container or type(atom) is Thing) and atom.activation is not frame.activation
            for atom in receiver
        ):
            self._hands(frame, node, value, "ToolRunner keeps a plugin's run, where others can reach it")

    def on_class(self, frame: Frame, info: ClassInfo) -> None:
        """Report every class named ToolRunner but the one."""
        if info.name == frame.engine.settings.tool_runner_class and info.module.governed:
            frame.engine.is_tool_runner(info)

    def on_type(self, frame: Frame, node: ast.AST, arguments: Arguments) -> None:
        """Report a class named ToolRunner that is made by a call."""
        if frame.engine.settings.tool_runner_class in texts(arguments.at(0)):
            frame.report(self.code, node, "A second class named ToolRunner is made")

    def finish(self, engine: Engine) -> list[Finding]:
        """Give the second classes named ToolRunner, and what ToolRunner hands out that runs a plugin."""
        name = engine.settings.tool_runner_class
        given = [finding for finding, functions in self._given if any(_runs(engine, info) for info in functions)]
        return given + [
            Finding(
                place_of(info.module, info.node),
                self.code,
                f"A second class named {name}: there is one, and it alone runs plugins",
            )
            for info in engine.classes.values()
            if info.name == name and info.module.governed and not engine.is_tool_runner(info)
        ]


def _holds_run(frame: Frame, value: Value, functions: list[FunctionInfo], levels: int) -> bool:
    """Whether a value is a plugin's ``run``, or holds it; ``functions`` takes the ones made in ToolRunner among it."""
    for atom in value:
        kind = type(atom)
        if kind is PluginRun:
            if not atom.reported:  # type: ignore[union-attr]
                return True
        elif type(atom) is Function:
            if atom.closure is not None and atom.bound is None and atom.info.inside:
                functions.append(atom.info)
        elif levels and (type(atom) is Partial or type(atom) is Container):
            held = [atom.function] if type(atom) is Partial else frame.engine.heap.values_of(atom)
            if any(_holds_run(frame, inner, functions, levels - 1) for inner in held):
                return True
    return False


def _runs(engine: Engine, info: FunctionInfo) -> bool:
    """Whether a function calls a plugin's ``run``."""
    return any(is_call_of_run(engine, node) for node in find(info.node, CALLS))


CALLS = frozenset({ast.Call})


def _is_permit(settings: Settings, info: ClassInfo) -> bool:
    return ends_with(settings.permits, f"{info.module.local}.{info.qualname}")


def _is_plugin(atom: object) -> bool:
    if type(atom) is Instance or type(atom) is Class:
        return "plugin" in atom.info.traits
    return atom in {Role.PLUGIN, Role.PLUGIN_CLASS}


def _described(owner: object) -> str:
    if type(owner) is Instance or type(owner) is Class:
        return f"Plugin {owner.info.name}"
    return "A plugin"
