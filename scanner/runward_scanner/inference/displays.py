"""Displays and comprehensions: the containers that are written out."""

from __future__ import annotations

import ast

from runward_scanner.inference import containers
from runward_scanner.inference.frame import NO_NAMES
from runward_scanner.inference.narrowing import narrow
from runward_scanner.inference.targets import bind_target
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    Container,
    Role,
    Value,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runward_scanner.inference.frame import Frame

KINDS: dict[type, str] = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}


def sequence(frame: Frame, node: ast.List | ast.Tuple | ast.Set) -> Value:
    """A list, tuple or set display."""
    kind = KINDS[type(node)]
    ordered: list[Value] = []
    loose = NOTHING
    for element in node.elts:
        if type(element) is ast.Starred:
            loose |= containers.elements(frame, frame.value(element.value), element)
        elif loose:
            loose |= frame.value(element)
        else:
            ordered.append(frame.value(element))
    return containers.make(frame, kind, ordered, node, loose)


def dict_(frame: Frame, node: ast.Dict) -> Value:
    """A dict display."""
    made = containers.make_dict(frame, [], node)
    for key, element in zip(node.keys, node.values, strict=True):
        value = frame.value(element)
        if key is not None:
            containers.put_item(frame, made, frame.value(key), value, node)
            continue
        for atom in value:
            if type(atom) is Container:
                for cell in tuple(frame.engine.heap.names_of(atom)):
                    held = frame.engine.heap.read(atom, cell, frame.activation)
                    frame.engine.heap.write(next(iter(made)), cell, held, frame.module, node)
            elif atom is Role.PLUGINS or atom is Role.REGISTRY:
                frame.engine.heap.write(next(iter(made)), "*", one(Role.PLUGIN), frame.module, node)
    frame.engine.hook_dict(frame, node)
    return made


def comprehension(frame: Frame, node: Any) -> Value:
    """A comprehension or generator expression: its names are its own."""
    before = frame.fork()
    bound = len(frame.bindings)
    around, frame.walruses = frame.walruses, NO_NAMES
    for generator in node.generators:
        source = frame.value(generator.iter)
        bind_target(frame, generator.target, containers.elements(frame, source, generator.iter), generator.target)
        for test in generator.ifs:
            frame.value(test)
            narrow(frame, test, True)
    if type(node) is ast.DictComp:
        key, value = frame.value(node.key), frame.value(node.value)
        if any(generator.ifs for generator in node.generators):
            # Which keys a condition leaves is not followed.
            made = containers.make_dict(frame, [(OPAQUE, value)], node)
        else:
            made = containers.make_dict(frame, [(key, value)], node)
    else:
        made = containers.make(frame, "list", [], node, frame.value(node.elt))
    inner = frame.env
    frame.env = before
    for target, _, _ in frame.bindings[bound:]:
        if target not in before:
            frame.looked_up.pop(target, None)
    del frame.bindings[bound:]
    for target in frame.walruses:
        if target in inner:
            frame.bind(target, inner[target], node)
    frame.walruses |= around
    return made
