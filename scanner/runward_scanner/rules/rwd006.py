"""RWD006: the layer chain, without skipping and without going up."""

from __future__ import annotations

import ast
from types import MappingProxyType

from runward_scanner.finding import Finding
from runward_scanner.inference.attention import always
from runward_scanner.inference.imports import absolute
from runward_scanner.inference.proof import steps_to
from runward_scanner.inference.reporting import place_of
from runward_scanner.inference.values import Class, External, Function, Instance, Module, Role, Value
from runward_scanner.patterns import any_matches, stands
from runward_scanner.rule import Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo, ModuleInfo
    from runward_scanner.settings import Layer, Settings

CHAIN_CLASSES = {
    "AnalysisExecutionService": "analysis",
    "JobExecutionService": "jobs",
    "PluginExecutionService": "plugin_execution",
    "ToolRunner": "tool_runner",
}
CHAIN_ROLES = {
    Role.ANALYSIS_SERVICE: "analysis",
    Role.JOB_SERVICE: "jobs",
    Role.PLUGIN_SERVICE: "plugin_execution",
    Role.TOOL_RUNNER: "tool_runner",
    Role.TOOL_RUNNER_CLASS: "tool_runner",
}
IMPORTS = (ast.Import, ast.ImportFrom)
SERVING = frozenset({"runtime", "own_plugins", "other"})


class LayerChain(Rule):
    """API → AnalysisExecutionService → JobExecutionService → PluginExecutionService → ToolRunner → Plugin."""

    code = "RWD006"
    title = "A layer is skipped, gone up, or built outside bootstrap"
    explanation = """
API, AnalysisExecutionService, JobExecutionService, PluginExecutionService, ToolRunner, Plugin: each layer uses
the next one down, through no re-export, dynamic import or attribute of another. The composition root alone
builds them. Imports under TYPE_CHECKING are fine.
"""

    attributes_of = MappingProxyType(
        {
            Module: always,
            Instance: lambda settings, atom: atom.info.name in CHAIN_CLASSES,
            Role: lambda settings, atom: atom in CHAIN_ROLES,
        }
    )
    calls_of = MappingProxyType({Role: lambda settings, atom: atom is Role.TOOL_RUNNER_CLASS})

    def minds_class(self, settings: Settings, info: ClassInfo) -> bool:
        """The layers of the chain."""
        return info.name in CHAIN_CLASSES or "tool_runner" in info.traits

    # -- imports -------------------------------------------------------------------------------------------------------

    def finish(self, engine: Engine) -> Iterator[Finding]:
        """Check the imports of every module in a governed root."""
        runners = {info.module for info in engine.classes.values() if "tool_runner" in info.traits}
        for module in engine.governed:
            layer = _layer_of_module(engine, module, module in runners)
            if layer is None:
                continue
            for node in _runtime_imports(engine, module):
                for target, name in _targets(engine, module, node):
                    other = layer_of(engine, target)
                    if other is not None and not _may(layer, other) and not _is_below(module, target):
                        yield Finding(place_of(module, node), self.code, _message(layer, other, name))
                        break

    def on_import(self, frame: Frame, node: ast.AST, target: Value) -> None:
        """Check an import that is a call."""
        layer = layer_of(frame.engine, frame.module.local) if frame.module.local else None
        for atom in target:
            if layer is not None and type(atom) is Module and atom.info.local:
                other = layer_of(frame.engine, atom.info.local)
                if other is not None and not _may(layer, other):
                    frame.report(self.code, node, _message(layer, other, atom.info.name))

    # -- reaching through and building ---------------------------------------------------------------------------------

    def on_attribute(self, frame: Frame, node: ast.AST, receiver: Value, name: str, result: Value) -> None:
        """Report the use of a layer that is not the next one down."""
        if not frame.module.local:
            return
        of_module = False
        for atom in receiver:
            if type(atom) is Module:
                of_module = True
        if of_module and len(receiver) == 1 and type(node) is ast.ImportFrom:
            return  # import statements are checked when all is read
        held = _layer_names(receiver)
        if of_module or (held and not _own(frame, receiver)):
            self._taken_through(frame, node, result, of_module)
        if not held or (name.startswith("__") and name.endswith("__") and len(name) > 4 and name.isidentifier()):
            return
        settings = frame.engine.settings
        layer = layer_of(frame.engine, frame.module.local)
        for other_name in held:
            other = next((item for item in settings.layers if item.name == other_name), None)
            if layer is not None and other is not None and not _may(layer, other) and not _own(frame, receiver):
                steps = steps_to(frame, node.value) if type(node) is ast.Attribute else []
                frame.report(self.code, node, f"Layer {layer.name} reaches through to {other.name}", steps)
                return

    def _taken_through(self, frame: Frame, node: ast.AST, result: Value, of_module: bool) -> None:
        """Report a class of a layer that is taken from a module, or an object of one that is taken from a layer."""
        if type(node) is not ast.Attribute:
            return
        taken = [atom.info for atom in result if isinstance(atom, Class if of_module else Instance)]
        layer = layer_of(frame.engine, frame.module.local) if taken else None
        for info in taken:
            # An object of the chain is reported where it is used.
            if layer is not None and info.module.local and of_module is (info.name in CHAIN_CLASSES):
                other = layer_of(frame.engine, info.module.local)
                if other is not None and not _may(layer, other):
                    frame.report(self.code, node, f"Layer {layer.name} reaches through to {other.name}")
                    return

    def on_construct(self, frame: Frame, node: ast.AST, info: ClassInfo, arguments: Arguments) -> None:
        """Report a layer that is built outside the composition root."""
        if info.module.governed:
            self._built(
                frame,
                node,
                CHAIN_CLASSES.get(info.name) or ("tool_runner" if "tool_runner" in info.traits else None),
                info.name,
            )

    def on_call(self, frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> None:
        """The same for a class whose file is not given."""
        if Role.TOOL_RUNNER_CLASS in callee:
            self._built(frame, node, "tool_runner", "ToolRunner")

    def _built(self, frame: Frame, node: ast.AST, name: str | None, built: str) -> None:
        if name is None:
            return
        settings = frame.engine.settings
        if not frame.module.local:
            frame.report(self.code, node, f"{built} is built outside the composition root")
            return
        layer = layer_of(frame.engine, frame.module.local)
        if stands(settings.composition, frame.module.local) or layer is None or layer.name == name:
            return
        frame.report(self.code, node, f"{built} is built outside the composition root")


def _layer_of_module(engine: Engine, module: ModuleInfo, derives: bool) -> Layer | None:
    """The layer of a module; beside ToolRunner, one that derives a class from it is of its layer."""
    if not module.local:
        return None
    layer = layer_of(engine, module.local)
    for runner in engine.tool_runners[:1]:
        if (
            layer is not None
            and layer.name in SERVING
            and derives
            and runner.module.local
            and runner.module.folder == module.folder
        ):
            return layer_of(engine, runner.module.local)
    return layer


def layer_of(engine: Engine, local: str) -> Layer | None:
    """The layer that a module lies in."""
    known = engine.layers
    if local not in known:
        known[local] = _first_matching(engine.settings.layers, local or "__init__")
    return known[local]


def _first_matching(layers: Iterable[Layer], module: str) -> Layer | None:
    """The first layer with a pattern that matches a module's name."""
    names = module.split(".")
    for layer in layers:
        if any_matches(layer.modules, names):
            return layer
    return None


def _may(layer: Layer, other: Layer) -> bool:
    return layer.name == other.name or other.name in layer.may_import


def _is_below(module: ModuleInfo, target: str) -> bool:
    """Whether a package's ``__init__`` gathers its own modules, which whoever imports them from it answers for."""
    return module.is_package and bool(module.local) and target.startswith(f"{module.local}.")


def _message(layer: Layer, other: Layer, name: str) -> str:
    return f"Layer {layer.name} imports {name} of layer {other.name}"


def _layer_names(value: Value) -> set[str]:
    """The layers of the chain whose objects a value may be."""
    found = set()
    for atom in value:
        kind = type(atom)
        if kind is Instance:
            if atom.info.name in CHAIN_CLASSES and atom.info.module.governed:  # type: ignore[union-attr]
                found.add(CHAIN_CLASSES[atom.info.name])  # type: ignore[union-attr]
        elif kind is Role and atom in CHAIN_ROLES:
            found.add(CHAIN_ROLES[atom])
    return found


def _own(frame: Frame, receiver: Value) -> bool:
    """Whether an object is of the class whose method reads it."""
    return any(type(atom) is Instance and atom.info in frame.inside for atom in receiver)


def _runtime_imports(engine: Engine, module: ModuleInfo) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements that run, those under TYPE_CHECKING left out."""
    left_out: set[ast.stmt] = set()
    for test in module.statements(ast.If):
        kind = type(test.test)
        if kind is not ast.Name and kind is not ast.Attribute and kind is not ast.UnaryOp:
            continue
        negated = kind is ast.UnaryOp and type(test.test.op) is ast.Not
        if _is_type_checking(engine, module, test.test.operand if negated else test.test):
            for item in test.orelse if negated else test.body:
                inner = [item] if isinstance(item, IMPORTS) else ast.walk(item)
                left_out.update(node for node in inner if isinstance(node, IMPORTS))
    for statement in module.statements(*IMPORTS):
        if statement not in left_out:
            yield statement


def _is_type_checking(engine: Engine, module: ModuleInfo, node: ast.expr) -> bool:
    """Whether a test is typing's constant, not something of the project's under its name."""
    if type(node) is ast.Name and node.id == "TYPE_CHECKING":
        value = engine.heap.peek(module, node.id)
        return all(type(atom) is External for atom in value)
    if type(node) is ast.Attribute and node.attr == "TYPE_CHECKING":
        return not any(isinstance(atom, (Module, Class, Instance)) for atom in engine.receivers.get(node, ()))
    return False


def _targets(engine: Engine, module: ModuleInfo, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """The modules that an import takes something from, as names below the root, each with what to call it."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _named(engine, module, alias.name)
        return
    full = absolute(module, node)
    if engine.project.is_of_python(full):
        return
    source = engine.project.resolve(full, module)
    for alias in node.names:
        taken = alias.name
        if taken == "*":
            yield from _named(engine, module, full)
            for name in sorted(engine.heap.names_of(source)):
                defined = _definer(engine, source, name)
                if defined is not None and not name.startswith("_"):
                    yield defined, f"{full}.{name}"
            continue
        below = engine.project.resolve(f"{full}.{taken}", module)
        if below is not None and below.local:
            yield below.local, below.name
            continue
        defined = _definer(engine, source, taken)
        yield from [(defined, f"{full}.{taken}")] if defined is not None else _named(engine, module, full)


def _named(engine: Engine, module: ModuleInfo, name: str) -> Iterator[tuple[str, str]]:
    """A module by its full name, if it is the project's."""
    found = engine.project.resolve(name, module)
    if found is not None:
        if found.local:
            yield found.local, found.name
    elif engine.project.is_own_name(name):
        yield name.partition(".")[2], name


def _definer(engine: Engine, source: ModuleInfo | None, name: str) -> str | None:
    """The module that defines what a name of another module is, through re-exports."""
    if source is None or source.top is None:
        return None
    value = engine.heap.peek(source, name)
    if not value:
        value = engine.module_attribute(engine.frame_of_module(source), source, name)
    for atom in value:
        if (type(atom) is Class or type(atom) is Function) and atom.info.module.local:
            return atom.info.module.local
        if type(atom) is Instance and atom.info.name in CHAIN_CLASSES:
            return atom.info.module.local
    return None
