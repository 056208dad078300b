"""Operators: what ``a + b`` and its like may be, where that is followed."""

from __future__ import annotations

import ast

from runward_scanner.inference import containers, strings
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    OPAQUE_ROLE,
    Class,
    Container,
    External,
    Instance,
    Role,
    Value,
    texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.frame import Frame


def bin_op(frame: Frame, node: ast.BinOp) -> Value:
    """Operators: strings and containers are followed, a union of classes is either."""
    left, right = frame.value(node.left), frame.value(node.right)
    if type(node.op) is ast.Add:
        return _add(frame, node, left, right)
    if type(node.op) is ast.Mod and texts(left):
        operands = node.right.elts if type(node.right) is ast.Tuple else [node.right]
        return strings.percent(left, [frame.value(operand) for operand in operands])
    if type(node.op) is ast.BitOr:
        return _union(frame, node, left, right)
    if type(node.op) is ast.Mult and isinstance(node.left, (ast.List, ast.Tuple)):
        return left
    return _operator(frame, node, left, right)


def _add(frame: Frame, node: ast.BinOp, left: Value, right: Value) -> Value:
    if texts(left) or texts(right) or Role.COMPUTED in left | right or strings.taint_of([left, right]):
        return strings.joined([left, right])
    if any(type(atom) is Container for atom in left | right):
        held = containers.elements(frame, left, node) | containers.elements(frame, right, node)
        return containers.make(frame, "list", [], node, held)
    return _operator(frame, node, left, right)


def _union(frame: Frame, node: ast.BinOp, left: Value, right: Value) -> Value:
    """``X | Y`` of classes is an alias for either; of dicts, both."""
    merged = left | right
    if any(type(atom) is Container for atom in merged):
        made = containers.make_dict(frame, [], node)
        for atom in merged:
            if type(atom) is Container:
                containers.copy_cells(frame, atom, made, node)
        return made
    classes = all(
        (type(atom) is Class or type(atom) is External) or atom in {Role.PLUGIN_CLASS, OPAQUE_ROLE} for atom in merged
    )
    return merged if classes and merged else _operator(frame, node, left, right)


OPERATORS = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.MatMult: "matmul", ast.Mod: "mod",
    ast.Pow: "pow", ast.BitOr: "or", ast.BitAnd: "and", ast.BitXor: "xor", ast.LShift: "lshift", ast.RShift: "rshift",
    ast.FloorDiv: "floordiv",
}  # fmt: skip


def _operator(frame: Frame, node: ast.BinOp, left: Value, right: Value) -> Value:
    """An operator that a class defines."""
    from runward_scanner.inference.arguments import Arguments  # noqa: PLC0415 - only operators on instances need it

    result = NOTHING
    operator = OPERATORS[type(node.op)]
    for operand, other, prefix in ((left, right, "__"), (right, left, "__r")):
        for atom in operand:
            if type(atom) is Instance:
                result |= containers.special(frame, atom, f"{prefix}{operator}__", Arguments([other]), node)
    return result or OPAQUE
