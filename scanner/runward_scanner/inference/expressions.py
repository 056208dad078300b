"""Expressions: what each kind may be."""

from __future__ import annotations

import ast

from runward_scanner.inference import containers, strings
from runward_scanner.inference.attributes import attribute, get
from runward_scanner.inference.calls import call as call_value
from runward_scanner.inference.calls import gather_arguments, named_call
from runward_scanner.inference.class_attributes import RUN, plugin_run
from runward_scanner.inference.displays import comprehension, dict_, sequence
from runward_scanner.inference.frame import EXPRESSIONS
from runward_scanner.inference.functions import make_function
from runward_scanner.inference.methods import FUTURE
from runward_scanner.inference.narrowing import narrow
from runward_scanner.inference.operations import bin_op
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    UNKNOWN_ROLE,
    Class,
    Container,
    Instance,
    PluginRun,
    Text,
    Thing,
    Value,
    idle_thing,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runward_scanner.inference.frame import Frame


ATTRIBUTE, NAME = ast.Attribute, ast.Name


def name(frame: Frame, node: ast.Name) -> Value:
    """A name: what it was last bound to, or what it claims to be."""
    named = node.id
    value = frame.env.get(named)
    if value is None or named in frame.activation.rebound or named in frame.global_names:
        value = frame.lookup(named)
    if named == RUN and frame.class_info is not None and "plugin" in frame.class_info.traits:
        return plugin_run(frame, Class(frame.class_info), node, bound=False)
    return frame.named(value, named) if not value or UNKNOWN_ROLE in value else value


def call(frame: Frame, node: ast.Call) -> Value:
    """A call; the names in it speak where nothing else is known."""
    function: Any = node.func
    kind = type(function)
    if kind is ATTRIBUTE:
        called = function.attr
        callee = get(frame, frame.value(function.value), called, function)
    else:
        called, callee = function.id if kind is NAME else "", frame.value(function)
    arguments = gather_arguments(frame, node)
    engine = frame.engine
    known = engine.callees.get(node)
    if known is None:
        engine.callees[node] = callee
        if frame.function is not None and frame.class_info is None:
            frame.function.calls.append(node)
    elif known is not callee:
        engine.callees[node] = known | callee
    engine.hook_call(frame, node, called, callee, arguments)
    result = call_value(frame, callee, arguments, node)
    return result if result and UNKNOWN_ROLE not in result else named_call(called, result)


def subscript(frame: Frame, node: ast.Subscript) -> Value:
    """``value[index]``."""
    value, within = frame.value(node.value), node.slice
    if type(within) is ast.Slice:
        return _slice(frame, value, within)
    index = frame.value(within)
    position = index_of(within)
    frame.engine.indices[node] = index
    return frame.engine.alias_of_generic(frame, node, value) or containers.item(frame, value, index, node, position)


def index_of(node: ast.expr) -> int | None:
    """The number that an index is, where it is written out."""
    if type(node) is ast.Constant and isinstance(node.value, int):
        return int(node.value)
    if type(node) is ast.UnaryOp and type(node.op) is ast.USub and type(node.operand) is ast.Constant:
        return -node.operand.value if isinstance(node.operand.value, int) else None
    return None


def _slice(frame: Frame, value: Value, node: ast.Slice) -> Value:
    """A slice: of a known string worked out, of a container the same elements."""
    slice_(frame, node)
    bounds = [index_of(part) if part is not None else None for part in (node.lower, node.upper, node.step)]
    known = all(
        part is None or bound is not None
        for part, bound in zip((node.lower, node.upper, node.step), bounds, strict=True)
    )
    found = NOTHING
    for atom in value:
        if type(atom) is Text:
            found |= one(Text(atom.text[slice(*bounds)])) if known and bounds[2] != 0 else strings.COMPUTED
        elif type(atom) is Container:
            found |= containers.make(frame, "list", [], node, containers.contents(frame, atom))
        else:
            found |= one(atom)
    return found or UNKNOWN


def bool_op(frame: Frame, node: ast.BoolOp) -> Value:
    """``and`` and ``or``: any of the operands; an ``and`` narrows what follows."""
    found = NOTHING
    before = frame.fork()
    holds = type(node.op) is ast.And
    for operand in node.values:
        found |= frame.value(operand)
        narrow(frame, operand, holds)
    frame.join(before, before)
    return found


def if_expression(frame: Frame, node: ast.IfExp) -> Value:
    """``a if test else b``."""
    frame.value(node.test)
    before = frame.fork()
    narrow(frame, node.test, True)
    found = frame.value(node.body)
    after = frame.env
    frame.env = dict(before)
    narrow(frame, node.test, False)
    found |= frame.value(node.orelse)
    frame.join(before, after)
    return found


def compare(frame: Frame, node: ast.Compare) -> Value:
    """A comparison; rules look at what is compared."""
    operands = [node.left, *node.comparators]
    values: list[Value] = []
    for operand in operands:
        values.append(frame.value(operand))  # noqa: PERF401 - a comprehension takes longer for two
    frame.engine.hook_compare(frame, node, operands, values)
    return OPAQUE


def unary(frame: Frame, node: ast.UnaryOp) -> Value:
    """``not x``, ``-x``."""
    frame.value(node.operand)
    return OPAQUE


def joined_string(frame: Frame, node: ast.JoinedStr) -> Value:
    """An f-string."""
    parts = []
    for part in node.values:
        if type(part) is ast.FormattedValue:
            value, spec = frame.value(part.value), part.format_spec
            if spec is not None:
                frame.value(spec)
            simple = spec is None and part.conversion in {-1, 115}
            parts.append(value if simple or strings.taint_of([value]) else OPAQUE)
        else:
            parts.append(frame.value(part))
    return strings.joined(parts)


def formatted(frame: Frame, node: ast.FormattedValue) -> Value:
    """A replacement field by itself."""
    return frame.value(node.value)


def lambda_(frame: Frame, node: ast.Lambda) -> Value:
    """A lambda."""
    for default in (*node.args.defaults, *(item for item in node.args.kw_defaults if item is not None)):
        frame.engine.default_values[default] = frame.value(default)
    return one(make_function(frame, node, "<lambda>"))


def walrus(frame: Frame, node: ast.NamedExpr) -> Value:
    """``name := value``."""
    value = frame.value(node.value)
    frame.bind(node.target.id, value, node)
    frame.walruses |= {node.target.id}
    return value


AWAITED: frozenset[type] = frozenset({Instance, Thing})
"""What may give something else when it is awaited."""


def inner(frame: Frame, node: ast.Await | ast.Starred) -> Value:
    """``await x`` and ``*x``: what x is; a coroutine counts as its result."""
    value = frame.value(node.value)
    if type(node) is ast.Await:
        if AWAITED.isdisjoint(map(type, value)):
            return value or UNKNOWN
        found = NOTHING
        for atom in value:
            if type(atom) is Instance:
                found |= containers.special(frame, atom, "__await__", _none(), node) or one(atom)
            elif type(atom) is Thing and atom.path == FUTURE:
                found |= containers.contents(frame, atom) or idle_thing(FUTURE)
            else:
                found |= one(atom)
        return found or UNKNOWN
    return value


def _none() -> Any:
    from runward_scanner.inference.arguments import Arguments  # noqa: PLC0415 - as above

    return Arguments()


def yield_(frame: Frame, node: ast.Yield) -> Value:
    """``yield x``: the generator gives x."""
    value = frame.value(node.value) if node.value is not None else OPAQUE
    if PluginRun in map(type, value):
        frame.engine.hook_return(frame, node, value)
    _yield(frame, value)
    if frame.function is None:
        return UNKNOWN
    sent = Container("sent", frame.function.node, frame.activation)
    return frame.engine.heap.read(sent, containers.ANY, frame.activation) or UNKNOWN


def yield_from(frame: Frame, node: ast.YieldFrom) -> Value:
    """``yield from x``."""
    value = frame.value(node.value)
    _yield(frame, containers.elements(frame, value, node))
    found = NOTHING
    for atom in value:
        if type(atom) is Container and atom.kind == "generator" and atom.activation is not None:
            returned = frame.engine.heap.read(atom.activation, "return", frame.activation)
            found |= returned - {atom}
    return found or UNKNOWN


def _yield(frame: Frame, value: Value) -> None:
    function = frame.function
    if function is None:
        return
    frame.yielded |= value
    frame.keeps = False
    generator = Container("generator", function.node, frame.activation)
    frame.engine.heap.write(generator, "*", value, frame.module, function.node)


def slice_(frame: Frame, node: ast.Slice) -> Value:
    """A slice within a tuple of indices."""
    for part in (node.lower, node.upper, node.step):
        if part is not None:
            frame.value(part)
    return OPAQUE


READERS: dict[type, Callable[[Any, Any], Value]] = {
    ast.Name: name,
    ast.Attribute: attribute,
    ast.Call: call,
    ast.Subscript: subscript,
    ast.BoolOp: bool_op,
    ast.IfExp: if_expression,
    ast.BinOp: bin_op,
    ast.Compare: compare,
    ast.UnaryOp: unary,
    ast.JoinedStr: joined_string,
    ast.FormattedValue: formatted,
    ast.Lambda: lambda_,
    ast.List: sequence,
    ast.Tuple: sequence,
    ast.Set: sequence,
    ast.Dict: dict_,
    ast.ListComp: comprehension,
    ast.SetComp: comprehension,
    ast.GeneratorExp: comprehension,
    ast.DictComp: comprehension,
    ast.NamedExpr: walrus,
    ast.Await: inner,
    ast.Starred: inner,
    ast.Yield: yield_,
    ast.YieldFrom: yield_from,
    ast.Slice: slice_,
}
EXPRESSIONS.update(READERS)
