"""Walking syntax trees, quicker than ``ast.walk``: what a scan spends on trees counts."""

from __future__ import annotations

import ast
from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

LEAVES = (ast.expr_context, ast.operator, ast.cmpop, ast.unaryop, ast.boolop)
PLAIN = frozenset(
    {
        "arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs", "level", "module", "op",
        "ops", "rest", "simple", "type_comment", "type_ignores",
    }
)  # fmt: skip
"""Fields that hold no node but an operator or a context."""
CHILDLESS = (ast.Global, ast.Nonlocal, ast.Constant, ast.MatchSingleton, ast.alias)
"""Nodes that hold no other."""


HOLLOW = frozenset({ast.Dict, ast.arguments})
"""Nodes whose lists have None where something was left out."""


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a kind of node that may hold nodes."""
    if issubclass(kind, (*CHILDLESS, *LEAVES)):
        return ()
    named = () if kind.__name__ == "TypeAlias" else ("name",)
    return tuple(field for field in kind._fields if field not in PLAIN and field not in named)


FIELDS: dict[type, tuple[str, ...]] = {
    kind: _fields(kind) for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.AST)
}
FIELDS[type(None)] = ()  # what was left out of a display or of a function's defaults
SEVERAL = {kind: attrgetter(*fields) for kind, fields in FIELDS.items() if len(fields) > 1}
"""What gives the fields of nodes that have several, at once."""
ONE = {kind: fields[0] for kind, fields in FIELDS.items() if len(fields) == 1}
"""The field of nodes that have but one."""


def find(root: ast.AST, kinds: Collection[type]) -> list[Any]:
    """Give the nodes of some kinds at and below a node, level by level; quicker than looking through a walk."""
    found: list[ast.AST] = []
    pending: list[Any] = [root]
    append = pending.append
    for node in pending:
        kind = type(node)
        if kind in kinds:
            found.append(node)
        if kind in SEVERAL:
            for value in SEVERAL[kind](node):
                if type(value) is list:
                    pending += value
                elif value is not None:
                    append(value)
        elif kind in ONE:
            value = getattr(node, ONE[kind])
            if type(value) is list:
                pending += value
            elif value is not None:
                append(value)
    return found


def children(node: ast.AST) -> list[ast.AST]:
    """Give the nodes right below a node in their order; operators and contexts are left out."""
    found: list[ast.AST | None] = []
    kind = type(node)
    if kind in SEVERAL:
        for value in SEVERAL[kind](node):
            if type(value) is list:
                found += value
            elif value is not None:
                found.append(value)
    elif kind in ONE:
        value = getattr(node, ONE[kind])
        if type(value) is list:
            found += value
        elif value is not None:
            found.append(value)
    return [item for item in found if item is not None] if kind in HOLLOW else found  # type: ignore[return-value]


def walk(root: ast.AST) -> Iterator[ast.AST]:
    """Give a node and every node below it, in no particular order; operators and contexts are left out."""
    pending: list[Any] = [root]
    while pending:
        node = pending.pop()
        if node is None:  # left out of a display or of a function's defaults
            continue
        yield node
        for field in FIELDS[type(node)]:
            value = getattr(node, field, None)
            if type(value) is list:
                pending += value
            elif value is not None:
                pending.append(value)
