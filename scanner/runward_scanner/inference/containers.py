"""Elements: what iterating, indexing and the methods of containers give.

A container's cells are ``#0``, ``#1``, … for positions, ``=name`` for keys that are known strings, ``*`` for elements
at no known place, ``keys`` for a mapping's keys.
"""

from __future__ import annotations

from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.classes import containers_among, descendants, find_attribute
from runward_scanner.inference.functions import invoke
from runward_scanner.inference.strings import COMPUTED
from runward_scanner.inference.values import (
    ENUM_ROLES,
    HOLDING_ROLES,
    NOTHING,
    OPAQUE,
    OPAQUE_ROLE,
    PLUGIN_ROLE,
    TEXT_ROLES,
    UNKNOWN,
    UNKNOWN_ROLE,
    Atom,
    Class,
    Container,
    External,
    Function,
    Globals,
    Instance,
    Namespace,
    Role,
    Text,
    Thing,
    Value,
    one,
    texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence

    from runward_scanner.inference.frame import Frame

MOST_POSITIONS = 16
POSITIONS = tuple(f"#{index}" for index in range(MOST_POSITIONS))
MODULES = External("sys.modules")
ANY = "*"
KEYS = "keys"


def make(frame: Frame, kind: str, elements: Sequence[Value], node: ast.AST, loose: Value = NOTHING) -> Value:
    """A container of these elements in order, and of others at no known place."""
    container = Container(kind, node, frame.activation)
    heap = frame.engine.heap
    for index, element in enumerate(elements):
        name = POSITIONS[index] if index < MOST_POSITIONS else ANY
        heap.write(container, name, element or UNKNOWN, frame.module, node)
    if loose:
        heap.write(container, ANY, loose, frame.module, node)
    return one(container)


def make_dict(frame: Frame, pairs: Sequence[tuple[Value, Value]], node: ast.AST, loose: Value = NOTHING) -> Value:
    """A dict of these pairs, and of values under keys that are not known."""
    container = Container("dict", node, frame.activation)
    for key, value in pairs:
        put_item(frame, one(container), key, value, node)
    if loose:
        frame.engine.heap.write(container, ANY, loose, frame.module, node)
    return one(container)


def copy_cells(frame: Frame, source: Container, target: Value, node: ast.AST) -> None:
    """Put what a container holds into others, each element under its key, without its place."""
    heap = frame.engine.heap
    for cell in tuple(heap.names_of(source)):
        held = heap.read(source, cell, frame.activation)
        for atom in target:
            heap.write(atom, ANY if cell.startswith("#") else cell, held, frame.module, node)


def contents(frame: Frame, container: Container | Thing) -> Value:
    """Every element of a container, but no keys."""
    return frame.engine.heap.read_elements(container, frame.activation, but=KEYS)


def positions(frame: Frame, container: Container) -> list[Value] | None:
    """The elements in order, where every one has its place; else None."""
    names = frame.engine.heap.names_of(container)
    if not names or any(not name.startswith("#") for name in names):
        return None
    return [frame.engine.heap.read(container, f"#{index}", frame.activation) for index in range(len(names))]


def elements(frame: Frame, value: Value, node: ast.AST) -> Value:
    """What iterating over a value gives."""
    found = NOTHING
    for atom in value:
        held = elements_of(frame, atom, node)
        found = found | held if found else held
    return found or UNKNOWN


def elements_of(frame: Frame, atom: Atom, node: ast.AST) -> Value:
    """What iterating over one atom gives."""
    kind = type(atom)
    if kind is Role:
        return _elements_of_role(atom)
    if type(atom) is Container:
        if atom.kind == "dict" or (atom.kind == "annotated" and frame.engine.heap.is_written(atom, KEYS)):
            return frame.engine.heap.read(atom, KEYS, frame.activation) or OPAQUE
        return contents(frame, atom) or OPAQUE
    if type(atom) is Thing:
        return contents(frame, atom) | OPAQUE
    if type(atom) is Class and atom.info.traits & {"enum", "state", "status"}:
        return atom.info.exact_instance
    if type(atom) is Text:
        return frozenset(Text(char) for char in atom.text) if len(atom.text) <= 4 else OPAQUE
    if type(atom) is Instance:
        return _of_iterator(frame, atom, node)
    return OPAQUE


def _elements_of_role(role: Atom) -> Value:
    if role is OPAQUE_ROLE:
        return OPAQUE
    if role is UNKNOWN_ROLE:
        return UNKNOWN
    if role in HOLDING_ROLES:
        # Iterating over a mapping of plugins gives names; over a list of them, plugins: so it may be one.
        return one(PLUGIN_ROLE)
    return one(role) if role in TEXT_ROLES or role is Role.ENTRY_POINTS else OPAQUE


def _of_iterator(frame: Frame, atom: Instance, node: ast.AST) -> Value:
    """What a class's own iteration protocol gives."""
    for name in ("__iter__", "__aiter__"):
        result = special(frame, atom, name, Arguments(), node)
        if result:
            own = one(atom)
            if own <= result:
                return special(frame, atom, "__next__", Arguments(), node) | special(
                    frame, atom, "__anext__", Arguments(), node
                )
            return elements(frame, result, node)
    if "record" in atom.info.traits:
        return NOTHING.union(*(frame.attribute(one(atom), name, node) for name in atom.info.fields))
    held = NOTHING.union(*(elements_of(frame, container, node) for container in containers_among(atom.info)))
    return held | special(frame, atom, "__getitem__", Arguments([OPAQUE]), node) or UNKNOWN


def special(frame: Frame, atom: Instance, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """What a special method of an instance gives; nothing where its class has none."""
    result = NOTHING
    for item in find_attribute(frame.engine, atom.info, name, frame.activation):
        if type(item) is Function:
            result |= invoke(frame, Function(item.info, item.closure, one(atom)), arguments, node)
    return result


def item(frame: Frame, value: Value, index: Value, node: ast.AST, position: int | None = None) -> Value:
    """What ``value[index]`` may be."""
    found = NOTHING
    for atom in value:
        held = item_of(frame, atom, index, node, position)
        found = found | held if found else held
    return found or UNKNOWN


def item_of(frame: Frame, atom: Atom, index: Value, node: ast.AST, position: int | None = None) -> Value:
    """What ``atom[index]`` may be; nothing where nothing is known yet."""
    kind = type(atom)
    if kind is Container or kind is Thing:
        return _held(frame, atom, index, position) or OPAQUE  # type: ignore[arg-type]
    if atom is OPAQUE_ROLE:
        return OPAQUE
    if kind is Role and atom in HOLDING_ROLES:
        return one(PLUGIN_ROLE)
    if type(atom) is Namespace:
        return frame.engine.dynamic_attribute(frame, atom.owner, index, node)
    if type(atom) is Globals:
        known = texts(index)
        return NOTHING.union(*(frame.module_name(atom.info, name) for name in known)) or UNKNOWN
    if type(atom) is Class or type(atom) is Instance:
        return _item_of_own(frame, atom, index, node, position)
    return _item_of_other(frame, atom, index, node, position)


def _item_of_own(frame: Frame, atom: Class | Instance, index: Value, node: ast.AST, position: int | None) -> Value:
    """An element of a class (an enum's member, a generic) or of an instance of one."""
    if type(atom) is not Instance:
        if atom.info.traits & {"enum", "state", "status"}:
            frame.engine.hook_member(frame, node, one(atom), index)
            return atom.info.exact_instance
        made = NOTHING
        for hook in find_attribute(frame.engine, atom.info, "__class_getitem__", frame.activation):
            if type(hook) is Function:
                bound = Function(hook.info, hook.closure, one(atom))
                made |= invoke(frame, bound, Arguments([index]), node)
        return made or one(atom)
    if "record" in atom.info.traits and position is not None and 0 <= position < len(atom.info.fields):
        return frame.attribute(one(atom), atom.info.fields[position], node)
    held = NOTHING.union(*(_held(frame, container, index, None) for container in containers_among(atom.info)))
    held |= NOTHING.union(
        *(frame.attribute(one(atom), name, node) for name in texts(index) if name in atom.info.annotations)
    )
    for name in ("__getitem__", "__missing__"):
        held |= special(frame, atom, name, Arguments([index]), node)
    return held or UNKNOWN


def _item_of_other(frame: Frame, atom: Atom, index: Value, node: ast.AST, position: int | None) -> Value:
    """An element of what is not among the files."""
    if atom in ENUM_ROLES:
        frame.engine.hook_member(frame, node, one(atom), index)
        return one(Role.STATE if atom is Role.STATE_ENUM else Role.STATUS)
    if atom == MODULES:
        return frame.engine.named_modules(frame, index, node)
    if type(atom) is External:
        return NOTHING.union(*(frame.attribute(one(atom), name, node) for name in texts(index))) or UNKNOWN
    if type(atom) is Text:
        if position is not None and -len(atom.text) <= position < len(atom.text):
            return one(Text(atom.text[position]))
        return COMPUTED
    if atom in TEXT_ROLES or atom is Role.ENTRY_POINTS or atom is Role.PLUGIN_CLASS:
        return one(atom)
    return UNKNOWN if atom is UNKNOWN_ROLE else OPAQUE


def _held(frame: Frame, atom: Container | Thing, index: Value, position: int | None) -> Value:
    """The elements that an index may reach."""
    heap = frame.engine.heap
    loose = heap.read(atom, ANY, frame.activation)
    if position is not None and position >= 0:
        name = POSITIONS[position] if position < MOST_POSITIONS else f"#{position}"
        exact = heap.read(atom, name, frame.activation)
        if exact or heap.is_written(atom, name):
            return exact | loose if loose else exact
    known = texts(index)
    if known and UNKNOWN_ROLE not in index:
        found = NOTHING
        for name in known:
            found |= heap.read(atom, f"={name}", frame.activation)
        if found:
            return found | loose
        for name in heap.names_of(atom):
            if name.startswith("="):
                return loose
    return heap.read_all(atom, frame.activation, but=KEYS)


def put_item(frame: Frame, receiver: Value, index: Value, value: Value, node: ast.AST) -> None:
    """Write ``receiver[index] = value``."""
    heap = frame.engine.heap
    known = texts(index)
    for atom in receiver:
        if type(atom) is Container or type(atom) is Thing:
            for name in known or ():
                heap.write(atom, f"={name}", value, frame.module, node)
            if not known:
                heap.write(atom, ANY, value, frame.module, node)
            heap.write(atom, KEYS, index or UNKNOWN, frame.module, node)
        elif type(atom) is Namespace:
            for name in known or ("*",):
                frame.engine.put(frame, atom.owner, name, value, node)
        elif type(atom) is Globals:
            for name in known or ("*",):
                frame.engine.hook_store(frame, node, None, name, value)
                heap.write(atom.info, name, value, frame.module, node)
        elif type(atom) is Instance:
            special(frame, atom, "__setitem__", Arguments([index, value]), node)


def subclasses_of(frame: Frame, info_value: Value) -> Value:
    """What ``__subclasses__()`` gives."""
    found = NOTHING
    for atom in info_value:
        if type(atom) is Class:
            found |= frozenset(Class(sub) for sub in descendants(atom.info))
            if "plugin" in atom.info.traits:
                found |= {Role.PLUGIN_CLASS}
        elif atom is Role.PLUGIN_CLASS:
            found |= {atom}
    return found
