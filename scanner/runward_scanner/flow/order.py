"""The order in which the parts of an expression are evaluated, where no operand is chosen among others."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_INTEREST = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.Attribute, ast.Subscript)
DEFERRED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


CHOICES = (ast.IfExp, ast.BoolOp)


def evaluated(node: ast.AST, certain: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Give the parts of interest in order of evaluation, each with whether it is certain to be reached.

    Conditional expressions, ``and`` and ``or`` are given whole: which of their operands is evaluated is the walk's to
    follow.
    """
    if isinstance(node, DEFERRED):
        return
    if isinstance(node, CHOICES):
        yield node, certain
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        yield from _comprehension(node, certain)
    elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        yield from _assignment(node, certain)
    else:
        for child in ast.iter_child_nodes(node):
            yield from evaluated(child, certain)
        if isinstance(node, OF_INTEREST):
            yield node, certain


def _comprehension(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, certain: bool
) -> Iterator[tuple[ast.AST, bool]]:
    """The first source is evaluated at once; the rest perhaps never, and a generator's only when it is used."""
    yield from evaluated(node.generators[0].iter, certain)
    for index, generator in enumerate(node.generators):
        if index:
            yield from evaluated(generator.iter, False)
        for test in generator.ifs:
            yield from evaluated(test, False)
    for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
        yield from evaluated(part, False)


def _assignment(node: ast.Assign | ast.AugAssign | ast.AnnAssign, certain: bool) -> Iterator[tuple[ast.AST, bool]]:
    """The value comes first, then what the targets are written to."""
    if node.value is not None:
        yield from evaluated(node.value, certain)
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        yield from evaluated(target, certain)
