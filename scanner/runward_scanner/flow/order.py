"""The order in which the parts of an expression are evaluated, where no operand is chosen among others."""

from __future__ import annotations

import ast

from runward_scanner.walking import children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OF_INTEREST = frozenset({ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.Attribute, ast.Subscript, ast.NamedExpr})
LEFT_OUT = frozenset({ast.Name, ast.Constant, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda})
"""What holds no part that is evaluated, or none that is evaluated now."""
CHOICES = frozenset({ast.IfExp, ast.BoolOp})
COMPREHENSIONS = frozenset({ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp})
ASSIGNMENTS = frozenset({ast.Assign, ast.AugAssign, ast.AnnAssign})


def evaluated(node: ast.AST) -> list[tuple[Any, bool]]:
    """Give the parts of interest in order of evaluation, each with whether it is certain to be reached.

    Conditional expressions, ``and`` and ``or`` are given whole: which of their operands is evaluated is the walk's to
    follow.
    """
    found: list[tuple[ast.AST, bool]] = []
    _evaluate(node, True, found)
    return found


def _evaluate(node: Any, certain: bool, found: list[tuple[ast.AST, bool]]) -> None:
    kind = type(node)
    if kind in LEFT_OUT:
        return
    if kind in CHOICES:
        found.append((node, certain))
    elif kind in COMPREHENSIONS:
        _comprehension(node, certain, found)
    elif kind in ASSIGNMENTS:
        _assignment(node, certain, found)
    elif type(node) is ast.Compare:
        # ``a < b < c`` may end after b.
        for index, operand in enumerate((node.left, *node.comparators)):
            _evaluate(operand, certain and index < 2, found)
    else:
        for child in children(node):
            _evaluate(child, certain, found)
        if kind in OF_INTEREST:
            found.append((node, certain))


def _comprehension(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, certain: bool, found: list[tuple[ast.AST, bool]]
) -> None:
    """The first source is evaluated at once; the rest perhaps never, and a generator's only when it is used."""
    _evaluate(node.generators[0].iter, certain, found)
    for index, generator in enumerate(node.generators):
        if index:
            _evaluate(generator.iter, False, found)
        for test in generator.ifs:
            _evaluate(test, False, found)
    for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
        _evaluate(part, False, found)


def _assignment(
    node: ast.Assign | ast.AugAssign | ast.AnnAssign, certain: bool, found: list[tuple[ast.AST, bool]]
) -> None:
    """The value comes first, then what the targets are written to."""
    if node.value is not None:
        _evaluate(node.value, certain, found)
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        _evaluate(target, certain, found)
