"""Attributes: what ``value.name`` may be, however it is spelt. The one place where a plugin's ``run`` is obtained."""

from __future__ import annotations

import ast
import collections
from types import AsyncGeneratorType, GeneratorType

from runward_scanner.inference import containers
from runward_scanner.inference.class_attributes import RUN, of_class, of_exception, of_instance, of_super, plugin_run
from runward_scanner.inference.classes import kept_by
from runward_scanner.inference.heap import ANYTHING, Derived, derived_for
from runward_scanner.inference.values import (
    ENUM_ROLES,
    KEEPING_ROLES,
    NOTHING,
    OPAQUE,
    OPAQUE_ROLE,
    PLUGIN_ROLES,
    TEXT_ROLES,
    UNKNOWN,
    UNKNOWN_ROLE,
    WIDEST,
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
    text_value,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runward_scanner.inference.frame import Frame

HOLDERS = (
    "types.SimpleNamespace",
    "threading.local",
    "argparse.Namespace",
    "unittest.mock.",
    "weakref.",
    "builtins.super",
)
"""External classes whose attributes give out what was put in."""
CONTAINERS_HAVE = frozenset(
    name
    for kind in (
        list,
        tuple,
        set,
        dict,
        zip,
        GeneratorType,
        AsyncGeneratorType,
        *map(vars(collections).get, collections.__all__),
    )
    for name in dir(kind)
)
"""The attributes of the containers that are made in code; an annotation may mean others."""
NAMING_FILES: frozenset[type] = frozenset({External, Module})
"""What may have another attribute under a name in another module, for files stand for it there."""
STATE_KEPT = frozenset({"state", "_state", "plugin_state", "lifecycle_state"})
"""What a plugin keeps its lifecycle state under, where nothing else is known of it."""
NAMED = frozenset({"__name__", "__qualname__"})
SAME = frozenset({"__func__", "__wrapped__", "__self__", "__call__"})

CARRIED = Container("tuple", ast.Pass(), None)
"""The plugins that exceptions of Python's own classes were given, in whichever one."""
CARRIED_AS = "args of an exception"
"""The name, no attribute's, by which files that know nothing of one another share what exceptions carry."""


def carry(frame: Frame, value: Value, node: ast.AST) -> None:
    """An exception of Python's own classes is given a value: note the plugins, their classes and ``run`` among it."""
    carried = frozenset(
        atom
        for atom in value
        if type(atom) is PluginRun
        or atom in PLUGIN_ROLES
        or ((type(atom) is Instance or type(atom) is Class) and "plugin" in atom.info.traits)
    )
    if carried:
        frame.engine.heap.write(CARRIED, containers.ANY, carried, frame.module, node)
        frame.engine.heap.write(ANYTHING, CARRIED_AS, one(CARRIED), frame.module, node)


def attribute(frame: Frame, node: ast.Attribute) -> Value:
    """An attribute as it is written."""
    return get(frame, frame.value(node.value), node.attr, node)


def get(frame: Frame, receiver: Value, name: str, node: ast.AST) -> Value:
    """What ``receiver.name`` may be."""
    engine = frame.engine
    key = receiver, name
    known = engine.derived.get(key) or frame.derived.get(key)
    if known is None or known.stale:
        known = _derive(frame, receiver, name, node)
    else:
        known.readers.append(frame.activation.part)
    before = engine.receivers.setdefault(node, receiver)
    if before is not receiver:
        engine.receivers[node] = before | receiver
    if known.minding:
        engine.hook_attribute(frame, node, receiver, name, known)
    return known.value


def _derive(frame: Frame, receiver: Value, name: str, node: ast.AST) -> Derived:
    """Work out what an attribute may be, and keep that if it hangs on nothing but cells, and the module at most."""
    activation, engine = frame.activation, frame.engine
    part, calls = activation.part, engine.calls
    activation.part = derived = derived_for(part)
    try:
        derived.value = _of_value(frame, receiver, name, node)
    finally:
        activation.part = part
    derived.minding = engine.minding(receiver, name, derived.value)
    if engine.calls == calls and name != RUN and not name.startswith("__"):
        differs = not NAMING_FILES.isdisjoint(map(type, receiver)) and not _is_same_everywhere(frame, receiver)
        (frame.derived if differs else engine.derived)[receiver, name] = derived
    return derived


def _is_same_everywhere(frame: Frame, receiver: Value) -> bool:
    """Whether an attribute is the same whichever module reads it: not a name that files may stand for."""
    for atom in receiver:
        kind = type(atom)
        if kind is External:
            if not frame.engine.project.is_of_python(atom.path):  # type: ignore[union-attr]
                return False
        elif kind is Module and atom.info.stars:  # type: ignore[union-attr]
            return False
    return True


def _of_value(frame: Frame, receiver: Value, name: str, node: ast.AST) -> Value:
    if len(receiver) == 1:
        (atom,) = receiver
        kind = type(atom)
        if kind in READERS and name != "__dict__":
            result = READERS[kind](frame, atom, name, node)
            return result if result and UNKNOWN_ROLE not in result else frame.named(result, name)
    return _of_several(frame, receiver, name, node)


def _of_several(frame: Frame, receiver: Value, name: str, node: ast.AST) -> Value:
    """The same for any value, atom by atom."""
    result = NOTHING
    for atom in receiver if len(receiver) <= WIDEST else bounded(receiver):
        kind = type(atom)
        if kind is Role:
            found = _of_role(frame, atom, name, node)  # type: ignore[arg-type]
        elif name == "__dict__":
            found = one(Namespace(one(atom)))
        elif kind in READERS:
            found = READERS[kind](frame, atom, name, node)
        else:
            found = OPAQUE
        result = result | found if result else found
    if not receiver or UNKNOWN_ROLE in receiver:
        result |= frame.engine.heap.read_anywhere(name, frame.activation)
        return frame.named(result or UNKNOWN, name)
    if not result or UNKNOWN_ROLE in result:
        return frame.named(result, name)
    return result


def _of_role(frame: Frame, role: Role, name: str, node: ast.AST) -> Value:
    if role is UNKNOWN_ROLE:
        return UNKNOWN if name not in {"__dict__", "__getattribute__"} else one(Method(role, name))
    if role is OPAQUE_ROLE:
        return OPAQUE
    if role in PLUGIN_ROLES:
        return _of_plugin(frame, role, name, node)
    if role in KEEPING_ROLES:
        named = role is Role.ENTRY_POINTS and name in {"name", "value", "group"}
        return OPAQUE if named else one(Method(role, name)) | UNKNOWN
    if role is Role.TOOL_RUNNER_CLASS or role is Role.TOOL_RUNNER:
        return UNKNOWN if name != RUN else one(Method(role, RUN))
    if role in ENUM_ROLES:
        made = Role.STATE if role is Role.STATE_ENUM else Role.STATUS
        return one(made) if name.isupper() else one(Method(role, name))
    if role in TEXT_ROLES:
        return one(Method(role, name))
    if role is Role.FAULT:
        kept = {"args": Role.FAULT_TEXT, "__cause__": Role.FAULT, "__context__": Role.FAULT}
        return one(kept.get(name, OPAQUE_ROLE)) if not name.startswith("__str") else one(Method(role, name))
    if role in SERVICES:
        return _of_service(frame, SERVICES[role], name, node)
    if role is Role.STATE:
        return one(role) if name in {"name", "value"} else one(Method(role, name))
    if role is not Role.EXCEPTION:
        return UNKNOWN
    carried = frame.engine.heap.read_anywhere(CARRIED_AS, frame.activation) if name == "args" else NOTHING
    return of_exception(name) | carried


SERVICES = {
    Role.ANALYSIS_SERVICE: "AnalysisExecutionService",
    Role.JOB_SERVICE: "JobExecutionService",
    Role.PLUGIN_SERVICE: "PluginExecutionService",
}


def _of_service(frame: Frame, named: str, name: str, node: ast.AST) -> Value:
    """An attribute of a service that is one by its name: what the class of that name has."""
    found = NOTHING
    for info in tuple(frame.engine.classes.values()):
        if info.name == named and info.module.governed:
            found |= of_instance(frame, Instance(info), name, node)
    return found | UNKNOWN


def _of_plugin(frame: Frame, role: Role, name: str, node: ast.AST) -> Value:
    if name == RUN:
        return plugin_run(frame, role, node, bound=role is Role.PLUGIN)
    if name == "__class__":
        return one(Role.PLUGIN_CLASS)
    if name == "mro":
        return one(Method(role, name))
    if name == "__dict__":
        return one(Namespace(one(role)))
    if name in STATE_KEPT:
        return one(Role.STATE)
    return one(Method(role, name)) if name.startswith("__") else UNKNOWN


# -- modules, functions and what is not among the files ----------------------------------------------------------------


def _of_module(frame: Frame, atom: Module, name: str, node: ast.AST) -> Value:
    return frame.engine.module_attribute(frame, atom.info, name)


def _of_external(frame: Frame, atom: External, name: str, node: ast.AST) -> Value:
    path = f"{atom.path}.{name}"
    project = frame.engine.project
    if project.is_of_python(path):
        return external(path)
    module = project.resolve(path, frame.module)
    if module is not None:
        frame.engine.ensure_module(module)
        return one(Module(module))
    if project.is_own_name(path):
        return frame.engine.own_external(path)
    return external(path)


def _of_function(frame: Frame, atom: Function, name: str, node: ast.AST) -> Value:
    if name == "__self__" and atom.bound:
        return atom.bound
    if name == "__globals__":
        return one(Globals(atom.info.module))
    if name in SAME:
        return one(atom)
    if name in NAMED:
        return text_value(atom.info.name)
    if name in {"register", "setter", "getter", "deleter", "dispatch"}:
        return one(External("functools.singledispatch.register"))
    return frame.engine.heap.read(atom.info, name, frame.activation) or OPAQUE


def _of_thing(frame: Frame, atom: Thing, name: str, node: ast.AST) -> Value:
    heap = frame.engine.heap
    stored = heap.read(atom, name, frame.activation)
    if stored:
        return stored | one(Method(atom, name))
    if atom.path.startswith(HOLDERS) and not name.startswith("__"):
        return heap.read(atom, "*", frame.activation) | one(Method(atom, name))
    return one(Method(atom, name))


def _of_container(frame: Frame, atom: Container, name: str, node: ast.AST) -> Value:
    return one(Method(atom, name)) if name in CONTAINERS_HAVE or atom.kind == "annotated" else OPAQUE


def _of_method(frame: Frame, atom: Method, name: str, node: ast.AST) -> Value:
    if type(atom.receiver) is Role and atom.receiver not in TEXT_ROLES:
        return UNKNOWN
    if type(atom.receiver) is Thing:
        return one(Method(atom.receiver, name))
    return OPAQUE


def _of_text(frame: Frame, atom: Text, name: str, node: ast.AST) -> Value:
    return one(Method(atom, name)) if hasattr(str, name) or hasattr(bytes, name) else OPAQUE


def _of_run(frame: Frame, atom: PluginRun, name: str, node: ast.AST) -> Value:
    return one(atom) if name in SAME else OPAQUE


def _of_partial(frame: Frame, atom: Partial, name: str, node: ast.AST) -> Value:
    return atom.function if name == "func" else OPAQUE


def _of_namespace(frame: Frame, atom: Namespace | Globals, name: str, node: ast.AST) -> Value:
    return one(Method(atom, name))


READERS: dict[type, Callable[[Frame, Any, str, ast.AST], Value]] = {
    Instance: of_instance,
    Class: of_class,
    Super: of_super,
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
        if type(atom) is Instance or type(atom) is Class:
            heap.write(atom.info, name, kept_by(atom.info, value), frame.module, node)
        elif type(atom) is Module:
            old = heap.peek(atom.info, name)
            # What replaces a function from outside is the rules' affair; its users are read with the function.
            if not any((type(item) is Function or type(item) is Class) for item in old):
                heap.write(atom.info, name, value, frame.module, node)
        elif type(atom) is Thing or type(atom) is Container:
            heap.write(atom, name, value, frame.module, node)
        elif type(atom) is Function:
            heap.write(atom.info, name, value, frame.module, node)
    if is_open(receiver):
        heap.write(ANYTHING, name, value - UNKNOWN, frame.module, node)
