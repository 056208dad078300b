"""What the statements of a body assign to a name, as it is written."""

from __future__ import annotations

import ast

from runward_scanner.walking import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

WALRUSES = frozenset({ast.NamedExpr})


def bindings(statements: Iterable[ast.stmt], around: ast.AST, name: str) -> Iterator[tuple[ast.expr, bool]]:
    """What statements bind a name to, each with whether the name is one of its elements after another."""
    for walrus in find(around, WALRUSES):
        if walrus.target.id == name:
            yield walrus.value, False
    for statement in statements:
        if type(statement) is ast.Assign:
            for target in statement.targets:
                yield from _taken(target, statement.value, name)
        elif type(statement) is ast.AnnAssign and statement.value is not None:
            yield from _taken(statement.target, statement.value, name)
        elif type(statement) is ast.AugAssign and _is_name(statement.target, name):
            yield ast.Name("?", ast.Load()), False
        elif type(statement) is ast.For and _is_name(statement.target, name):
            yield statement.iter, True


def _is_name(node: ast.expr, name: str) -> bool:
    return type(node) is ast.Name and node.id == name


def _taken(target: ast.expr, value: ast.expr, name: str) -> Iterator[tuple[ast.expr, bool]]:
    """What of an assigned value goes to a name: all of it, or the element that is unpacked to it."""
    if _is_name(target, name):
        yield value, False
    elif (type(target) is ast.Tuple or type(target) is ast.List) and not any(
        type(item) is ast.Starred for item in target.elts
    ):
        for index, item in enumerate(target.elts):
            if _is_name(item, name):
                yield ast.Subscript(value, ast.Constant(index), ast.Load()), False


def unpacked(target: ast.expr, item: Any) -> dict[str, Any]:
    """The names that a comprehension's target binds."""
    if type(target) is ast.Name:
        return {target.id: item}
    if type(target) is not ast.Tuple:
        raise TypeError
    bound: dict[str, Any] = {}
    for part, value in zip(target.elts, item, strict=True):
        bound.update(unpacked(part, value))
    return bound
