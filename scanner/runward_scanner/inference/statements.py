"""Statements: how each kind changes what the names may be."""

from __future__ import annotations

import ast

from runward_scanner.inference import containers, imports
from runward_scanner.inference.annotations import annotated
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.blocks import match_, try_, with_
from runward_scanner.inference.definitions import define_class, define_function
from runward_scanner.inference.frame import STATEMENTS
from runward_scanner.inference.narrowing import narrow
from runward_scanner.inference.targets import bind_target
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Container,
    Instance,
    Value,
    is_inert,
    is_open,
    one,
    texts,
)
from runward_scanner.walking import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runward_scanner.inference.frame import Frame


NAME = ast.Name


def expression(frame: Frame, node: ast.Expr) -> None:
    """An expression as a statement."""
    frame.value(node.value)


def assign(frame: Frame, node: ast.Assign) -> None:
    """``a = b = value``."""
    value = frame.value(node.value)
    for target in node.targets:
        if type(target) is NAME:
            frame.bind(target.id, value, target)
        else:
            bind_target(frame, target, value, node)


def annotated_assign(frame: Frame, node: ast.AnnAssign) -> None:
    """``name: annotation = value``; in a class body it declares a field."""
    target, annotation, given = node.target, node.annotation, node.value
    claimed = annotated(frame, annotation)
    name = target.id if type(target) is NAME else None
    info = frame.class_info
    if info is not None and name is not None:
        info.annotations[name] = annotation
        if name not in info.fields and not _is_of_class(annotation):
            info.fields.append(name)
    if given is None:
        if is_open(claimed):
            return
        if type(target) is ast.Attribute:
            bind_target(frame, target, claimed, node)
        elif name is not None and info is None:
            frame.bind(name, claimed, target)
        elif name is not None and info is not None:
            frame.engine.heap.write(info, name, claimed, frame.module, node)
        return
    value = frame.value(given)
    if not is_open(claimed):
        if is_open(value):
            value = (value - UNKNOWN) | claimed
        elif given.value is None if type(given) is ast.Constant else _holds_nothing(value):
            value |= claimed
    bind_target(frame, target, value, node)


def _is_of_class(annotation: ast.expr) -> bool:
    """Whether an annotation says that a name is the class's, not its instances': it has ClassVar in it, in any form."""
    if type(annotation) is NAME:
        return "ClassVar" in annotation.id
    for node in walk(annotation):
        kind = type(node)
        if kind is ast.Name:
            named = node.id  # type: ignore[attr-defined]
        elif kind is ast.Attribute:
            named = node.attr  # type: ignore[attr-defined]
        else:
            named = node.value if kind is ast.Constant else ""  # type: ignore[attr-defined]
        if type(named) is str and "ClassVar" in named:
            return True
    return False


def _holds_nothing(value: Value) -> bool:
    for atom in value:  # noqa: SIM110 - a generator takes twice the time
        if type(atom) is not Container:
            return False
    return True


def augmented_assign(frame: Frame, node: ast.AugAssign) -> None:
    """``a += b``."""
    target = node.target
    left = frame.value(_loaded(target))
    right = frame.value(node.value)
    if type(node.op) is ast.Add and type(target) is ast.Name and texts(left):
        from runward_scanner.inference import strings  # noqa: PLC0415 - only strings that grow need it

        frame.bind(target.id, strings.joined([left, right]), target)
        return
    for atom in left:
        if type(atom) is Container:
            frame.call(frame.attribute(one(atom), "extend", node), Arguments([right]), node)
        elif type(atom) is Instance:
            operator = type(node.op).__name__.lower().replace("bitor", "or").replace("mult", "mul")
            containers.special(frame, atom, f"__i{operator}__", Arguments([right]), node)


def _loaded(target: ast.expr) -> ast.expr:
    return target


def delete(frame: Frame, node: ast.Delete) -> None:
    """``del``: rules look at what is deleted."""
    for target in node.targets:
        if type(target) is ast.Attribute:
            frame.engine.hook_store(frame, target, frame.value(target.value), target.attr, NOTHING)
        elif type(target) is ast.Subscript:
            receiver, index = frame.value(target.value), frame.value(target.slice)
            frame.engine.hook_item(frame, target, receiver, index, NOTHING)


def return_(frame: Frame, node: ast.Return) -> None:
    """``return``: the function gives this too."""
    given = node.value
    value = frame.value(given) if given is not None else OPAQUE
    activation = frame.activation
    frame.engine.hook_return(frame, node, value)
    frame.engine.heap.write(activation, "return", value, frame.module, node)
    frame.live = False


def raise_(frame: Frame, node: ast.Raise) -> None:
    """``raise``."""
    if node.exc is not None:
        frame.value(node.exc)
    if node.cause is not None:
        frame.value(node.cause)
    frame.live = False


def assert_(frame: Frame, node: ast.Assert) -> None:
    """``assert``: what follows may rely on it."""
    frame.value(node.test)
    narrow(frame, node.test, True)
    if node.msg is not None:
        frame.value(node.msg)


def if_(frame: Frame, node: ast.If) -> None:
    """``if``: both branches."""
    test = node.test
    frame.head(test)
    before = frame.fork()
    narrow(frame, test, True)
    frame.execute(node.body)
    after, live = frame.env, frame.live
    frame.env, frame.live = before, True
    narrow(frame, test, False)
    otherwise = node.orelse
    if otherwise:
        frame.execute(otherwise)
    if live and frame.live:
        frame.merge([after])
    elif live:
        frame.env, frame.live = after, True


def for_(frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    """``for``: the body is read until the names stay the same, twice at most."""
    elements = frame.read_part(node.iter, _elements) if frame.in_parts else _elements(frame, node.iter)
    _loop(frame, node, lambda: bind_target(frame, node.target, elements, node.target))


def _elements(frame: Frame, node: ast.expr) -> Value:
    """What a loop goes through."""
    return containers.elements(frame, frame.value(node), node)


def while_(frame: Frame, node: ast.While) -> None:
    """``while``."""

    def enter() -> None:
        frame.head(node.test)
        narrow(frame, node.test, True)

    _loop(frame, node, enter)


def _loop(frame: Frame, node: ast.For | ast.AsyncFor | ast.While, enter: Callable[[], None]) -> None:
    before = dict(frame.env)
    exits: list[dict[str, Value]] = []
    around = frame.exits
    outer = frame.missed if around else set()
    frame.exits = (*around, exits)
    for _ in range(2):
        frame.missed = set()
        enter()
        frame.execute(node.body)
        frame.merge([before])
        outer |= frame.missed
        if not _changed(before, frame):
            break
        before = dict(frame.env)
    frame.missed = outer
    frame.exits = around
    frame.execute(node.orelse)
    frame.merge(exits)


def _changed(before: dict[str, Value], frame: Frame) -> bool:
    """Whether a name that the body reads may be something else as it is entered again."""
    after = frame.env
    for name, value in after.items():
        old = before.get(name)
        if old is None:
            if name in frame.missed:
                return True
        elif old is not value and not all(is_inert(atom) for atom in value - old):
            return True
    return False


def leave_loop(frame: Frame, node: ast.Break | ast.Continue) -> None:
    """``break`` and ``continue``: the names as they are here reach the loop's end."""
    if frame.exits:
        frame.exits[-1].append(frame.env)
    frame.live = False


def global_(frame: Frame, node: ast.Global) -> None:
    """``global``."""
    frame.global_names = frame.global_names.union(node.names)
    frame.declared = frame.declared.union(node.names)
    frame.is_plain = False


def nonlocal_(frame: Frame, node: ast.Nonlocal) -> None:
    """``nonlocal``."""
    frame.declared = frame.declared.union(node.names)


def nothing(frame: Frame, node: ast.stmt) -> None:
    """``pass``."""


READERS: dict[type, Callable[[Any, Any], None]] = {
    ast.Expr: expression,
    ast.Assign: assign,
    ast.AnnAssign: annotated_assign,
    ast.AugAssign: augmented_assign,
    ast.Delete: delete,
    ast.Return: return_,
    ast.Raise: raise_,
    ast.Assert: assert_,
    ast.If: if_,
    ast.For: for_,
    ast.AsyncFor: for_,
    ast.While: while_,
    ast.Break: leave_loop,
    ast.Continue: leave_loop,
    ast.Try: try_,
    ast.TryStar: try_,
    ast.With: with_,
    ast.AsyncWith: with_,
    ast.Match: match_,
    ast.Global: global_,
    ast.Nonlocal: nonlocal_,
    ast.Pass: nothing,
    ast.Import: imports.import_,
    ast.ImportFrom: imports.import_from,
    ast.FunctionDef: define_function,
    ast.AsyncFunctionDef: define_function,
    ast.ClassDef: define_class,
}
if hasattr(ast, "TypeAlias"):  # Python 3.12

    def type_alias(frame: Frame, node: Any) -> None:
        """``type Name = …``."""
        frame.bind(node.name.id, frame.value(node.value), node)

    READERS[ast.TypeAlias] = type_alias
STATEMENTS.update(READERS)
