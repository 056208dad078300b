"""What a condition or an iterable says for certain."""

from __future__ import annotations

import ast


def has_elements(node: ast.expr) -> bool:
    """Whether an iterable is a display that holds an element for certain."""
    return isinstance(node, (ast.Tuple, ast.List, ast.Set)) and any(type(item) is not ast.Starred for item in node.elts)


def constant_truth(node: ast.expr) -> bool | None:
    """Whether a test is always true or always false; None where it depends."""
    if type(node) is ast.Constant:
        return bool(node.value)
    if type(node) is ast.UnaryOp and type(node.op) is ast.Not:
        inner = constant_truth(node.operand)
        return None if inner is None else not inner
    if type(node) is ast.Name and node.id in {"TYPE_CHECKING", "__debug__"}:
        return False if node.id == "TYPE_CHECKING" else None
    return None
