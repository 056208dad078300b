"""What names are: of the function, of those around it, of the module, built in."""

from __future__ import annotations

import builtins

from runward_scanner.inference.names import role_of_name
from runward_scanner.inference.values import UNKNOWN, UNKNOWN_ROLE, External, Module, Value, is_open, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ModuleInfo

BUILTINS = {
    name: one(External(f"builtins.{name}")) for name in dir(builtins) if name not in {"_", "__doc__", "__name__"}
}
BUILTINS["__builtins__"] = one(External("builtins"))


def lookup(frame: Frame, name: str) -> Value:
    """What a name may be here: local, of an enclosing function, of the module, built in."""
    value = frame.env.get(name)
    if value is not None and name not in frame.global_names:
        if name in frame.activation.rebound and frame.class_info is None:
            return value | frame.engine.heap.read(frame.activation, name, frame.activation)
        return value
    if frame.exits:
        frame.missed.add(name)
    heap = frame.engine.heap
    if name not in frame.global_names:
        parent = frame.activation.parent if frame.class_info is None else frame.activation
        while parent is not None:
            found = heap.read(parent, name, frame.activation)
            if found or heap.is_written(parent, name):
                return found
            parent = parent.parent
    return frame.module_name(frame.module, name)


def module_name(frame: Frame, module: ModuleInfo, name: str) -> Value:
    """What a module's global may be."""
    heap = frame.engine.heap
    found = heap.read(module, name, frame.activation)
    if found:
        return found
    for star in module.stars:
        for atom in star:
            if type(atom) is Module and atom.info is not module:
                frame.engine.ensure_module(atom.info)
                if (
                    (inherited := frame.module_name(atom.info, name))
                    and not is_open(inherited)
                    and inherited != BUILTINS.get(name)
                ):
                    return inherited
    if name in BUILTINS:
        return BUILTINS[name]
    return heap.read(module, "*", frame.activation) | UNKNOWN if heap.is_written(module, "*") else UNKNOWN


def named(value: Value, name: str) -> Value:
    """Let a name speak for a value of which nothing else is known."""
    if not value or UNKNOWN_ROLE in value:
        role = role_of_name(name)
        if role is not None:
            return (value - UNKNOWN) | {role}
        return value or UNKNOWN
    return value
