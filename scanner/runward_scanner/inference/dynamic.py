"""Attributes and modules that are named by a string."""

from __future__ import annotations

import ast

from runward_scanner.inference import containers
from runward_scanner.inference.annotations import annotated
from runward_scanner.inference.attributes import put
from runward_scanner.inference.classes import ancestors
from runward_scanner.inference.folding import folded
from runward_scanner.inference.imports import module_value
from runward_scanner.inference.strings import COMPUTED
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Class,
    Container,
    External,
    Instance,
    Module,
    PluginRun,
    Role,
    Value,
    is_open,
    one,
    texts,
)
from runward_scanner.patterns import ends_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame


def dynamic_attribute(frame: Frame, receiver: Value, name: Value, node: ast.AST) -> Value:
    """``getattr(receiver, name)`` in all its spellings."""
    found = NOTHING
    if not texts(name) and _matters(receiver):
        name = calculated(frame, node) or name
    for text in texts(name):
        value = receiver
        for part in text.split("."):
            value = frame.attribute(value, part, node)
        found |= value
    if not texts(name) or is_open(name) or name >= COMPUTED:
        frame.engine.hook_dynamic(frame, node, receiver, name)
        # What the loader takes from a module by a name that it was given is a plugin's class.
        loads = is_open(receiver) and ends_with(frame.engine.settings.loader, frame.module.local or frame.module.name)
        found |= one(Role.PLUGIN_CLASS) | UNKNOWN if loads else UNKNOWN
    return found


def _matters(receiver: Value) -> bool:
    """Whether it matters which attribute of a value is taken."""
    for atom in receiver:
        kind = type(atom)
        if kind is Instance or kind is Class:
            if not atom.info.traits.isdisjoint(TRAITS):  # type: ignore[union-attr]
                return True
        elif kind is Role and atom not in IDLE:
            return True
    return False


TRAITS = frozenset({"plugin", "tool_runner", "state", "status", "envelope"})
IDLE = frozenset({Role.UNKNOWN, Role.OPAQUE, Role.COMPUTED})


def calculated(frame: Frame, node: ast.AST) -> Value:
    """The strings that the name may be by which something is taken in a call or in brackets, where it is calculated."""
    if type(node) is ast.Subscript and type(node.slice) is not ast.Slice:
        return folded(frame, node.slice)
    if type(node) is not ast.Call or not node.args:
        return NOTHING
    second = len(node.args) > 1 and not (type(node.func) is ast.Attribute and node.func.attr in TAKING)
    return folded(frame, node.args[1 if second else 0])


TAKING = frozenset({"get", "pop", "setdefault", "__getitem__", "import_module", "__import__"})
"""Methods that are given the name first."""


def dynamic_put(frame: Frame, receiver: Value, name: Value, value: Value, node: ast.AST) -> None:
    """``setattr(receiver, name, value)``."""
    if not texts(name) and _matters(receiver):
        name = calculated(frame, node) or name
    for text in texts(name):
        put(frame, receiver, text, value, node)
    if not texts(name):
        frame.engine.hook_store(frame, node, receiver, "*", value)
        for atom in receiver:
            if type(atom) is Instance or type(atom) is Class:
                frame.engine.heap.write(atom.info, "*", value, frame.module, node)


def dynamic_import(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``import_module(name)`` and ``__import__(name)``."""
    given = arguments.at(0, "name")
    if path.endswith("reload"):
        return arguments.at(0)
    if not texts(given) and type(node) is ast.Call and node.args:
        given = folded(frame, node.args[0]) or given
    names = texts(given)
    if not names or is_open(given):
        frame.engine.hook_import(frame, node, NOTHING)
        return UNKNOWN
    found = NOTHING
    for name in names:
        full = name
        if name.startswith("."):
            packages = texts(arguments.at(1, "package")) or [frame.module.name.rpartition(".")[0]]
            drop = len(name) - len(name.lstrip(".")) - 1
            parts = packages[0].split(".")
            full = ".".join([*parts[: len(parts) - drop], name.lstrip(".")])
        value = module_value(frame, full)
        frame.engine.hook_import(frame, node, value)
        if path.endswith("__import__") and "." in full and not arguments.at(3, "fromlist"):
            value = module_value(frame, full.partition(".")[0])
        found |= value
    return found or UNKNOWN


def named_modules(frame: Frame, name: Value, node: ast.AST) -> Value:
    """``sys.modules[name]``: the module, as if it were imported here."""
    found = NOTHING
    for text in texts(name) or texts(calculated(frame, node)):
        value = module_value(frame, text)
        frame.engine.hook_import(frame, node, value)
        found |= value
    return found or UNKNOWN


def every_attribute(frame: Frame, receiver: Value, node: ast.AST, *, pairs: bool) -> Value:
    """``inspect.getmembers`` and the like: any attribute of an object, a plugin's ``run`` among them."""
    found = UNKNOWN
    for atom in receiver:
        plugin = atom in {Role.PLUGIN, Role.PLUGIN_CLASS}
        if type(atom) is Instance or type(atom) is Class:
            plugin = "plugin" in atom.info.traits
            for current in ancestors(atom.info):
                for name in tuple(frame.engine.heap.names_of(current)):
                    if not plugin or name != "run":
                        found |= frame.engine.heap.read(current, name, frame.activation)
        elif type(atom) is Module:
            for name in tuple(frame.engine.heap.names_of(atom.info)):
                found |= frame.engine.heap.read(atom.info, name, frame.activation)
        if plugin:
            frame.engine.hook_dynamic(frame, node, one(atom), UNKNOWN)
            found |= one(PluginRun(reported=frame.engine.is_tool_runner_code(frame)))
    element = containers.make(frame, "tuple", [OPAQUE, found], node) if pairs else found
    container = Container("members", node, frame.activation)
    frame.engine.heap.write(container, containers.ANY, element, frame.module, node)
    return one(container)


def exceptions_of(frame: Frame, kind: Value) -> Value:
    """What a handler's name is beside an exception: an instance of the classes of this project that it names."""
    found = NOTHING
    for atom in kind:
        if type(atom) is Class:
            found |= atom.info.instance
        elif type(atom) is Container:
            found |= exceptions_of(frame, containers.contents(frame, atom))
    return found


GENERIC = ("typing.", "builtins.", "collections.", "typing_extensions.")


def alias_of_generic(frame: Frame, node: ast.Subscript, value: Value) -> Value:
    """``list[Plugin]`` as a value, which an alias may name: what such an annotation says."""
    for atom in value:
        if type(atom) is not External or not atom.path.startswith(GENERIC):
            return NOTHING
    return annotated(frame, node) if value else NOTHING
