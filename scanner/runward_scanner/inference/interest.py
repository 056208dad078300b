"""Which arguments a function is worth reading anew for."""

from __future__ import annotations

import ast

from runward_scanner.inference.heap import derived_for
from runward_scanner.inference.values import (
    Atom,
    Class,
    Container,
    External,
    Instance,
    Method,
    Partial,
    PluginRun,
    Role,
    Text,
    Thing,
    Value,
)
from runward_scanner.walking import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import FunctionInfo

WORDS = frozenset(
    {"run", "r", "u", "n", "ru", "un", "_internal", "internal", "ToolRunner", "validate_input", "validate_output"}
)
DYNAMIC = ("operator.", "importlib.", "functools.", "inspect.", "builtins.")
PLAIN = frozenset(
    f"builtins.{name}" for name in ("str", "int", "float", "bool", "bytes", "bytearray", "len", "repr", "None")
)
"""Built-in classes that a function may be given without anything to learn from it."""
HELD: frozenset[type] = frozenset({Container, Thing})
FILLING = frozenset({"append", "appendleft", "add", "extend", "insert", "update", "setdefault", "put", "put_nowait"})
FILLERS = frozenset({ast.Call, ast.Subscript})
TELLING = frozenset({"plugin", "tool_runner", "state", "status", "envelope", "exception"})
DULL = frozenset({Role.UNKNOWN, Role.OPAQUE, Role.COMPUTED})


def interesting(frame: Frame, value: Value) -> bool:
    """Whether a value is worth reading a function anew for, looking into containers."""
    for atom in value:
        kind = type(atom)
        if kind is Role:
            if atom not in DULL:
                return True
        elif kind in HELD:
            if _holds_interest(frame, atom):
                return True
        elif _interesting(frame, atom):
            return True
    return False


def _interesting(frame: Frame, atom: Atom) -> bool:
    """The same of one atom that is no container."""
    kind = type(atom)
    if kind is Role:
        return atom not in DULL
    if kind is Text:
        text: str = atom.text  # type: ignore[union-attr]
        return text in WORDS or (text.isupper() and len(text) < 20)
    if kind is External:
        return _is_dynamic(atom.path)  # type: ignore[union-attr]
    if kind is Method:
        receiver: Atom = atom.receiver  # type: ignore[union-attr]
        return type(receiver) not in HELD or _holds_interest(frame, receiver)
    if kind is Instance:
        traits = atom.info.traits  # type: ignore[union-attr]
        return "enum" not in traits or not traits.isdisjoint(("state", "status"))
    return True


def _is_dynamic(path: str) -> bool:
    """Whether a name of elsewhere may get hold of what its name does not say."""
    return path.startswith(DYNAMIC) and path not in PLAIN


def _holds_interest(frame: Frame, root: Atom) -> bool:
    """Whether something of interest can be got out of a container, or out of those in it."""
    engine, reader = frame.engine, frame.activation
    part = reader.part
    if root in engine.held:
        engine.heap.read(root, "*", reader)
        return True  # what it holds does not become less
    known = engine.dull.get(root)
    if known is not None and not known.stale:
        known.readers.append(part)
        return False
    reader.part = known = engine.dull[root] = derived_for(part)
    found = _finds_interest(frame, root)
    reader.part = part
    if found:
        del engine.dull[root]
        engine.heap.read(root, "*", reader)
    return found


def _finds_interest(frame: Frame, root: Atom) -> bool:
    """The same, looked for anew."""
    held = frame.engine.held
    heap, reader = frame.engine.heap, frame.activation
    seen, pending = {root}, [root]
    while pending:
        container = pending.pop()
        for atom in heap.read_elements(container, reader):
            if type(atom) not in HELD:
                if not _interesting(frame, atom):
                    continue
            elif atom not in held:
                if atom not in seen:
                    seen.add(atom)
                    pending.append(atom)
                continue
            held.add(root)
            return True
    return False


def tells(frame: Frame, value: Value, levels: int) -> bool:
    """Whether a value is what a rule asks for, or holds it; a function or an object that leads to it is not."""
    for atom in value:
        kind = type(atom)
        if kind is Role:
            if atom not in DULL:
                return True
        elif kind is Instance or kind is Class:
            if not atom.info.traits.isdisjoint(TELLING):  # type: ignore[union-attr]
                return True
        elif kind is External:
            if _is_dynamic(atom.path):  # type: ignore[union-attr]
                return True
        elif kind is PluginRun or (kind is Text and atom.text in WORDS):  # type: ignore[union-attr]
            return True
        elif levels and (kind in HELD or kind is Partial):
            for held in _held_by(frame, atom):  # type: ignore[arg-type]
                if tells(frame, held, levels - 1):
                    return True
    return False


def _held_by(frame: Frame, atom: Container | Thing | Partial) -> Iterable[Value]:
    """What is in a container, or what a ``functools.partial`` calls and gives."""
    if type(atom) is Partial:
        return (atom.function, *atom.positional, *(value for _, value in atom.keywords))
    return frame.engine.heap.values_of(atom)


def is_filled(info: FunctionInfo, name: str, value: Value) -> bool:
    """Whether a parameter is a container that the function puts something into."""
    for atom in value:
        if type(atom) is Container:
            break
    else:
        return False
    if info.filled is None:
        info.filled = frozenset(_filled(info.node))
    return name in info.filled


def _filled(function: ast.AST) -> Iterator[str]:
    """The names whose elements a function writes."""
    for node in find(function, FILLERS):
        target: ast.expr | None = None
        if type(node) is ast.Call:
            if type(node.func) is ast.Attribute and node.func.attr in FILLING:
                target = node.func.value
        elif type(node) is ast.Subscript and type(node.ctx) is ast.Store:
            target = node.value
        if type(target) is ast.Name:
            yield target.id


def takes_words(atom: Atom) -> bool:
    """Whether a string beside such an argument may name an attribute or a module that matters."""
    if type(atom) is Instance or type(atom) is Class:
        return not atom.info.traits.isdisjoint(("plugin", "tool_runner", "state"))
    return type(atom) is not Text and type(atom) not in HELD
