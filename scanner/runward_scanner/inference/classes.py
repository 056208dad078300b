"""What a class is by its ancestors, and where an attribute of it is found."""

from __future__ import annotations

import ast

from runward_scanner.inference.tables import INTERNAL_NAMES
from runward_scanner.inference.values import Class, Container, External, Function, Role, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import Activation, ClassInfo

TOLD = frozenset({Role.EXCEPTION_TEXT, Role.FAULT_TEXT, Role.TRACEBACK})
HARMLESS = (
    "builtins.", "abc.", "typing.", "typing_extensions.", "enum.", "collections.", "dataclasses.", "contextlib.",
    "threading.",
)  # fmt: skip
"""Bases outside the files scanned that bring no attribute of interest."""


def ancestors(info: ClassInfo) -> tuple[ClassInfo, ...]:
    """The class and the classes it derives from, nearest first, as far as they are among the files."""
    if info.line is None:
        info.line = tuple(_line(info))
        info.containers = [
            atom for current in info.line for base in current.bases for atom in base if type(atom) is Container
        ]
    return info.line


def _line(info: ClassInfo) -> list[ClassInfo]:
    order = [info]
    for current in order:
        for base in current.bases:
            for atom in base:
                if type(atom) is Class and atom.info not in order:
                    order.append(atom.info)
    return order


def descendants(info: ClassInfo) -> list[ClassInfo]:
    """The classes that derive from a class, without it."""
    order = list(info.subclasses)
    for current in order:
        order.extend(item for item in current.subclasses if item not in order)
    return order


def derives(info: ClassInfo, base: ClassInfo) -> bool:
    """Whether a class is another or derives from it."""
    return info is base or base in ancestors(info)


def traits_of(engine: Engine, info: ClassInfo) -> frozenset[str]:
    """What a class is: by its own name where that is a name of the governed design, and by its bases."""
    traits: set[str] = set()
    for base in info.bases:
        for atom in base:
            traits |= _traits_of_base(engine, info, atom)
        if not base:
            traits.add("open")
    settings = engine.settings
    if info.module.governed:
        if info.name in settings.state_classes:
            traits.add("state")
        if info.name in settings.status_classes:
            traits.add("status")
        if info.name in settings.plugin_classes and not info.in_function and engine.is_plugin_base(info):
            traits.add("plugin")
        if info.name == settings.tool_runner_class:
            traits.add("tool_runner")
    if "envelope" in info.name.lower():
        traits.add("envelope")
    return frozenset(traits)


def kept_by(info: ClassInfo, value: Value) -> Value:
    """What an attribute of a class keeps of a value: an exception's or envelope's text was chosen to be read."""
    return value - TOLD if info.traits & {"exception", "envelope"} else value


def containers_among(info: ClassInfo) -> list[Container]:
    """The generic containers that a class derives from: ``class Shelf(dict[str, Plugin])``."""
    if info.line is None:
        ancestors(info)
    return info.containers


def shows_internal(info: ClassInfo) -> bool:
    """Whether the text of an instance shows an internal field: an envelope's, by what a dataclass says of itself."""
    if "envelope" not in info.traits or INTERNAL_NAMES.isdisjoint(info.fields):
        return False
    own = {getattr(item, "name", "") for item in info.node.body}
    hidden = {
        item.target.id
        for item in info.node.body
        if type(item) is ast.AnnAssign and type(item.target) is ast.Name and _is_hidden(item.value)
    }
    return own.isdisjoint({"__repr__", "__str__"}) and not hidden >= INTERNAL_NAMES.intersection(info.fields)


def _is_hidden(value: ast.expr | None) -> bool:
    """Whether a field is left out of its dataclass's text: ``field(repr=False)``."""
    return type(value) is ast.Call and any(
        keyword.arg == "repr" and type(keyword.value) is ast.Constant and keyword.value.value is False
        for keyword in value.keywords
    )


def _traits_of_base(engine: Engine, info: ClassInfo, atom: object) -> set[str]:
    if type(atom) is Class:
        return set(atom.info.traits) - {"protocol"}
    if atom is Role.PLUGIN_CLASS:
        return {"plugin"}
    if atom is Role.TOOL_RUNNER_CLASS:
        return {"tool_runner"}
    if type(atom) is External:
        path = atom.path
        if path.startswith("enum.") or path.endswith("Enum"):
            return {"enum"}
        if path in {"typing.Protocol", "typing_extensions.Protocol"}:
            return {"protocol"}
        if path.endswith(".NamedTuple"):
            return {"record"}
        if path.startswith("builtins.") and path.endswith(("Error", "Exception", "Warning", "Exit", "Group")):
            return {"exception"}
        return set() if path.startswith(HARMLESS) else {"open"}
    return {"open"}


def find_attribute(engine: Engine, info: ClassInfo, name: str, reader: Activation | None) -> Value:
    """What a class or its instances have under a name: the nearest function, and every other value in the line."""
    heap = engine.heap
    found = heap.read(info, name, reader)
    line = info.line or ancestors(info)
    if len(line) == 1:
        return found
    for current in line[1:]:
        value = heap.read(current, name, reader)
        if not found:
            found = value
        elif value:
            found |= frozenset(atom for atom in value if type(atom) is not Function)
    return found
