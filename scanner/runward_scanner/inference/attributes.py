"""Attributes: what ``value.name`` may be, however it is spelt. The one place where a plugin's ``run`` is obtained."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from runward_scanner.inference import containers
from runward_scanner.inference.annotations import annotated
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.classes import ancestors, containers_among, derives, descendants, find_attribute, kept_by
from runward_scanner.inference.functions import invoke
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Atom,
    Class,
    Container,
    External,
    Function,
    Globals,
    Instance,
    Method,
    Module,
    Namespace,
    Partial,
    PluginRun,
    Role,
    Super,
    Text,
    Thing,
    Value,
    bounded,
    external,
    is_open,
    one,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo

RUN = "run"
HOLDERS = (
    "types.SimpleNamespace",
    "threading.local",
    "argparse.Namespace",
    "unittest.mock.",
    "weakref.",
    "builtins.super",
)
"""External classes whose attributes give out what was put in."""
SAME = frozenset({"__func__", "__wrapped__", "__self__", "__call__"})

CARRIED = Container("tuple", ast.Pass(), None)
"""The plugins that exceptions of Python's own classes were given, in whichever one."""


def carried_by(value: Value) -> Value:
    """What of a value is a plugin, a plugin's class or its ``run``."""
    return frozenset(
        atom
        for atom in value
        if isinstance(atom, PluginRun)
        or atom in {Role.PLUGIN, Role.PLUGIN_CLASS}
        or (isinstance(atom, (Instance, Class)) and "plugin" in atom.info.traits)
    )


def get(frame: Frame, receiver: Value, name: str, node: ast.AST) -> Value:
    """What ``receiver.name`` may be."""
    result = NOTHING
    for atom in bounded(receiver):
        result |= _of_atom(frame, atom, name, node)
    if not receiver:
        result = UNKNOWN
    if is_open(receiver):
        result |= frame.engine.heap.read(("?", name), frame.activation)
        result = frame.named(result or UNKNOWN, name)
    elif is_open(result):
        result = frame.named(result, name)
    frame.engine.hook_attribute(frame, node, receiver, name, result)
    return result


def _of_atom(frame: Frame, atom: Atom, name: str, node: ast.AST) -> Value:
    kind = atom.__class__
    if kind is Role:
        return _of_role(frame, atom, name, node)  # type: ignore[arg-type]
    if name == "__dict__":
        return one(Namespace(one(atom)))
    reader = READERS.get(kind)
    return reader(frame, atom, name, node) if reader is not None else OPAQUE


def _of_role(frame: Frame, role: Role, name: str, node: ast.AST) -> Value:
    if role in {Role.PLUGIN, Role.PLUGIN_CLASS}:
        return _of_plugin(frame, role, name, node)
    if role is Role.UNKNOWN:
        return UNKNOWN if name not in {"__dict__", "__getattribute__"} else one(Method(role, name))
    if role is Role.OPAQUE:
        return OPAQUE
    if role in {Role.REGISTRY, Role.PLUGINS, Role.ENTRY_POINTS}:
        named = role is Role.ENTRY_POINTS and name in {"name", "value", "group"}
        return OPAQUE if named else one(Method(role, name)) | UNKNOWN
    if role is Role.TOOL_RUNNER_CLASS or role is Role.TOOL_RUNNER:
        return UNKNOWN if name != RUN else one(Method(role, RUN))
    if role in {Role.STATE_ENUM, Role.STATUS_ENUM}:
        made = Role.STATE if role is Role.STATE_ENUM else Role.STATUS
        return one(made) if name.isupper() else one(Method(role, name))
    if role in {Role.EXCEPTION_TEXT, Role.FAULT_TEXT, Role.TRACEBACK}:
        return one(Method(role, name))
    if role is Role.FAULT:
        kept = {"args": Role.FAULT_TEXT, "__cause__": Role.FAULT, "__context__": Role.FAULT}
        return one(kept.get(name, Role.OPAQUE)) if not name.startswith("__str") else one(Method(role, name))
    if role is Role.EXCEPTION and name == "args" and (CARRIED, containers.ANY) in frame.engine.heap.cells:
        return frozenset({Role.EXCEPTION_TEXT, CARRIED})
    return _of_exception(name) if role is Role.EXCEPTION else UNKNOWN


def _of_plugin(frame: Frame, role: Role, name: str, node: ast.AST) -> Value:
    if name == RUN:
        return plugin_run(frame, role, node, bound=role is Role.PLUGIN)
    if name == "__class__":
        return one(Role.PLUGIN_CLASS)
    if name == "mro":
        return one(Method(role, name))
    if name == "__dict__":
        return one(Namespace(one(role)))
    return one(Method(role, name)) if name.startswith("__") else UNKNOWN


def _of_exception(name: str) -> Value:
    if name in {"args", "__cause__", "__context__"}:
        return one(Role.EXCEPTION_TEXT if name == "args" else Role.EXCEPTION)
    if name in {"__traceback__", "tb_frame", "traceback"}:
        return one(Role.TRACEBACK)
    if name in {"__str__", "__repr__", "__format__"}:
        return one(Method(Role.EXCEPTION, name))
    return UNKNOWN


def plugin_run(frame: Frame, owner: Atom, node: ast.AST, *, bound: bool) -> Value:
    """A plugin's ``run`` is obtained: report it outside ToolRunner."""
    allowed = frame.engine.is_tool_runner_code(frame)
    if not allowed:
        frame.engine.hook_run(frame, node, owner)
    return one(PluginRun(reported=not allowed, bound=bound))


# -- classes among the files -----------------------------------------------------------------------------------------


def _of_instance(frame: Frame, atom: Instance, name: str, node: ast.AST) -> Value:
    info = atom.info
    if "plugin" in info.traits and name == RUN:
        return plugin_run(frame, atom, node, bound=True)
    if name == "__class__":
        return one(Class(info))
    if name == "__getattribute__":
        return one(Method(atom, name))
    found = find_attribute(frame.engine, info, name, frame.activation)
    if not atom.exact and info.subclasses and not name.startswith("__"):
        for sub in descendants(info):
            found |= frame.engine.heap.read((sub, name), frame.activation)
    if name == "value" and "enum" in info.traits:
        found |= _member_values(frame, info, node)
    result = NOTHING
    for item in found:
        result |= _bound(frame, item, one(atom), node, info)
    for held in containers_among(info):
        result |= one(Method(held, name))
    if "state" in info.traits or "status" in info.traits:
        return result or UNKNOWN
    return result or _without_definition(frame, atom, name, node)


def _member_values(frame: Frame, info: ClassInfo, node: ast.AST) -> Value:
    """The strings that members of an enum stand for: one's where it is written out, else everyone's."""
    member = getattr(getattr(node, "value", None), "attr", "")
    heap = frame.engine.heap
    names = [member] if (info, member) in heap.cells else sorted(heap.names.get(info, ()))
    values = NOTHING.union(*(heap.read((info, name), frame.activation) for name in names))
    return frozenset(atom for atom in values if isinstance(atom, Text))


def _without_definition(frame: Frame, atom: Instance, name: str, node: ast.AST) -> Value:
    """An attribute that is nowhere set: what its annotation, a ``__getattr__`` or a dynamic write says."""
    info = atom.info
    for current in ancestors(info):
        if name in current.annotations and current.module.top is not None:
            return annotated(frame.engine.frame_of_class(current), current.annotations[name])
    heap = frame.engine.heap
    dynamic = heap.read((info, "*"), frame.activation)
    if dynamic:
        return dynamic
    for special in ("__getattr__", "__getattribute__"):
        for item in find_attribute(frame.engine, info, special, frame.activation):
            if isinstance(item, Function):
                bound = Function(item.info, item.closure, one(atom))
                return invoke(frame, bound, Arguments([one(Text(name))]), node)
    if "exception" in info.traits or name in {"args", "__cause__", "__context__", "__traceback__"}:
        return _of_exception(name)
    return UNKNOWN if "open" in info.traits or heap.cells.get(("?", name)) else frame.engine.missing(info, name)


def _of_class(frame: Frame, atom: Class, name: str, node: ast.AST) -> Value:
    info = atom.info
    if "plugin" in info.traits and name == RUN:
        return plugin_run(frame, atom, node, bound=False)
    if name in {"__mro__", "__bases__"}:
        line = frozenset(Class(item) for item in ancestors(info)[name == "__bases__" :])
        return containers.make(frame, "tuple", [], node, line or OPAQUE)
    if name in {"__name__", "__qualname__"}:
        return one(Text(info.name))
    if name == "mro":
        return one(Method(atom, name))
    found = find_attribute(frame.engine, info, name, frame.activation)
    if "enum" in info.traits or "state" in info.traits:
        members = frozenset(item for item in found if not isinstance(item, Function))
        if members and not name.startswith("_"):
            return one(Instance(info, exact=True))
    result = NOTHING
    for item in found:
        if isinstance(item, Function) and item.bound is None and item.info.kind == "class":
            result |= one(Function(item.info, item.closure, one(atom)))
        else:
            result |= _described(frame, item, node)
    if result:
        return result
    return one(Method(atom, name)) if name.startswith("__") or "enum" in info.traits else UNKNOWN


def _bound(frame: Frame, item: Atom, owner: Value, node: ast.AST, info: ClassInfo) -> Value:
    """An attribute as an instance gives it: functions bound, properties read."""
    if not isinstance(item, Function) or item.bound is not None:
        return _described(frame, item, node)
    if item.info.owner is None or not derives(info, item.info.owner):
        # An instance attribute that holds a function of elsewhere is not bound; a class attribute would be.
        return one(item)
    kind = item.info.kind
    if kind == "static":
        return one(item)
    if kind == "class":
        return one(Function(item.info, item.closure, one(Class(info))))
    bound = Function(item.info, item.closure, owner)
    if kind == "property":
        return invoke(frame, bound, Arguments(), node)
    return one(bound)


def _described(frame: Frame, item: Atom, node: ast.AST) -> Value:
    """What a class's attribute gives where it is a descriptor of the project; else the attribute."""
    if isinstance(item, Instance):
        return containers.special(frame, item, "__get__", Arguments([OPAQUE, OPAQUE]), node) or one(item)
    return one(item)


def _of_super(frame: Frame, atom: Super, name: str, node: ast.AST) -> Value:
    info = atom.info
    if "plugin" in info.traits and name == RUN:
        own = frame.function is not None and frame.function.name == RUN and frame.function.owner is info
        if own:
            return one(PluginRun(reported=True))
        return plugin_run(frame, Instance(info), node, bound=True)
    for base in ancestors(info)[1:]:
        found = frame.engine.heap.read((base, name), frame.activation)
        if found:
            return NOTHING.union(*(_bound(frame, item, atom.bound, node, info) for item in found))
    return one(Method(atom, name)) if name.startswith("__") else UNKNOWN


# -- modules, functions and what is not among the files ----------------------------------------------------------------


def _of_module(frame: Frame, atom: Module, name: str, node: ast.AST) -> Value:
    return frame.engine.module_attribute(frame, atom.info, name)


def _of_external(frame: Frame, atom: External, name: str, node: ast.AST) -> Value:
    path = f"{atom.path}.{name}"
    project = frame.engine.project
    module = project.resolve(path, frame.module)
    if module is not None:
        frame.engine.ensure_module(module)
        return one(Module(module))
    if project.is_own_name(path):
        return frame.engine.own_external(path)
    return external(path)


def _of_function(frame: Frame, atom: Function, name: str, node: ast.AST) -> Value:
    if name in SAME:
        return one(atom)
    if name in {"register", "setter", "getter", "deleter", "dispatch"}:
        return one(External("functools.singledispatch.register"))
    return frame.engine.heap.read((atom.info, name), frame.activation) or OPAQUE


def _of_thing(frame: Frame, atom: Thing, name: str, node: ast.AST) -> Value:
    heap = frame.engine.heap
    stored = heap.read((atom, name), frame.activation)
    if stored:
        return stored | one(Method(atom, name))
    if atom.path.startswith(HOLDERS) and not name.startswith("__"):
        return heap.read((atom, "*"), frame.activation) | one(Method(atom, name))
    return one(Method(atom, name))


def _of_container(frame: Frame, atom: Container, name: str, node: ast.AST) -> Value:
    return one(Method(atom, name))


def _of_method(frame: Frame, atom: Method, name: str, node: ast.AST) -> Value:
    if isinstance(atom.receiver, Role) and atom.receiver not in {
        Role.EXCEPTION_TEXT,
        Role.FAULT_TEXT,
        Role.TRACEBACK,
    }:
        return UNKNOWN
    if isinstance(atom.receiver, Thing):
        return one(Method(atom.receiver, name))
    return OPAQUE


def _of_text(frame: Frame, atom: Text, name: str, node: ast.AST) -> Value:
    return one(Method(atom, name))


def _of_run(frame: Frame, atom: PluginRun, name: str, node: ast.AST) -> Value:
    return one(atom) if name in SAME else OPAQUE


def _of_partial(frame: Frame, atom: Partial, name: str, node: ast.AST) -> Value:
    return atom.function if name == "func" else OPAQUE


def _of_namespace(frame: Frame, atom: Namespace | Globals, name: str, node: ast.AST) -> Value:
    return one(Method(atom, name))


READERS: dict[type, Callable[[Frame, Any, str, ast.AST], Value]] = {
    Instance: _of_instance,
    Class: _of_class,
    Super: _of_super,
    Module: _of_module,
    External: _of_external,
    Function: _of_function,
    Thing: _of_thing,
    Container: _of_container,
    Method: _of_method,
    Text: _of_text,
    PluginRun: _of_run,
    Partial: _of_partial,
    Namespace: _of_namespace,
    Globals: _of_namespace,
}


def put(frame: Frame, receiver: Value, name: str, value: Value, node: ast.AST) -> None:
    """Write ``receiver.name = value``."""
    heap = frame.engine.heap
    frame.engine.hook_store(frame, node, receiver, name, value)
    for atom in receiver:
        if isinstance(atom, (Instance, Class)):
            heap.write((atom.info, name), kept_by(atom.info, value), frame.module, node)
        elif isinstance(atom, Module):
            old = heap.cells.get((atom.info, name), NOTHING)
            # What replaces a function from outside is the rules' affair; its users are read with the function.
            if not any(isinstance(item, (Function, Class)) for item in old):
                heap.write((atom.info, name), value, frame.module, node)
        elif isinstance(atom, (Thing, Container)):
            heap.write((atom, name), value, frame.module, node)
        elif isinstance(atom, Function):
            heap.write((atom.info, name), value, frame.module, node)
    if is_open(receiver):
        heap.write(("?", name), value - UNKNOWN, frame.module, node)
