"""Making objects: what calling a class gives, and what its attributes become."""

from __future__ import annotations

import ast

from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.classes import ancestors, find_attribute, kept_by
from runward_scanner.inference.functions import invoke
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    OPAQUE_ROLE,
    UNKNOWN,
    UNKNOWN_ROLE,
    Class,
    Function,
    Instance,
    Role,
    Value,
    is_open,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo


def construct(frame: Frame, atom: Class, arguments: Arguments, node: ast.AST) -> Value:
    """What calling a class gives: an instance, with its attributes set from the arguments."""
    info = atom.info
    frame.engine.hook_construct(frame, node, info, arguments)
    made = info.exact_instance
    if info.keywords:
        given = _called_by_metaclass(frame, atom, arguments, node)
        if given:
            return given
    if "enum" in info.traits or "state" in info.traits:
        frame.engine.hook_member(frame, node, one(atom), arguments.at(0))
        return made
    news = find_attribute(frame.engine, info, "__new__", frame.activation)
    for item in news:
        if type(item) is Function:
            given = frame.call(one(Function(item.info, item.closure, one(atom))), arguments, node)
            if given and not is_open(given) and not any((type(a) is Instance or type(a) is Role) for a in given):
                return given
            made |= frozenset(a for a in given if a is not UNKNOWN_ROLE and a is not OPAQUE_ROLE)
    inits = [
        item for item in find_attribute(frame.engine, info, "__init__", frame.activation) if type(item) is Function
    ]
    for item in inits:
        invoke(frame, Function(item.info, item.closure, made), arguments, node)
    if not inits:
        _set_fields(frame, atom, arguments, node)
    return made


def _called_by_metaclass(frame: Frame, atom: Class, arguments: Arguments, node: ast.AST) -> Value:
    """What the class of a class gives where it says itself what a call of the class does."""
    found = NOTHING
    for meta in atom.info.keywords.get("metaclass", NOTHING):
        if type(meta) is Class:
            for item in find_attribute(frame.engine, meta.info, "__call__", frame.activation):
                if type(item) is Function:
                    found |= invoke(frame, Function(item.info, item.closure, one(atom)), arguments, node)
    return found - OPAQUE - UNKNOWN


def _set_fields(frame: Frame, atom: Class, arguments: Arguments, node: ast.AST) -> None:
    """A dataclass or named tuple takes its fields in order."""
    fields: list[str] = []
    for current in reversed(ancestors(atom.info)):
        if fields:
            fields += [name for name in current.fields if name not in fields]
        else:
            fields += current.fields
    heap = frame.engine.heap
    for name, value in (*zip(fields, arguments.positional, strict=False), *arguments.keywords.items()):
        heap.write(atom.info, name, kept_by(atom.info, value), frame.module, node)
    for loose in (arguments.rest, arguments.mapping):
        if loose:
            for name in fields:
                heap.write(atom.info, name, loose, frame.module, node)
    posts = find_attribute(frame.engine, atom.info, "__post_init__", frame.activation)
    given = [heap.peek(atom.info, name) for name in fields if _is_init_only(atom.info, name)] if posts else []
    for item in posts:
        if type(item) is Function:
            invoke(frame, Function(item.info, item.closure, atom.info.instance), Arguments(given), node)


def _is_init_only(info: ClassInfo, name: str) -> bool:
    """Whether a field is handed to ``__post_init__`` alone: an ``InitVar``."""
    annotation = info.annotations.get(name)
    return annotation is not None and "InitVar" in ast.dump(annotation)
