"""Names that are worked out by calculation: what an expression of constants gives, as far as that can be told.

Asked only where a name decides and was not known otherwise, which is seldom; nothing of the code is run.
"""

from __future__ import annotations

import ast
import itertools
import operator

from runward_scanner.inference.assigned import bindings, unpacked
from runward_scanner.inference.calculation import (
    KNOWN,
    LONGEST,
    METHODS,
    PURE,
    STATIC,
    is_short,
    is_wide,
    of_function,
    of_method,
)
from runward_scanner.inference.model import statements_in
from runward_scanner.inference.values import Instance, Text, Value, external, is_open, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from runward_scanner.inference.frame import Frame

MOST = 32
"""How many values one expression may have."""
DEEPEST = 40
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.BitXor: operator.xor, ast.BitOr: operator.or_, ast.BitAnd: operator.and_, ast.FloorDiv: operator.floordiv,
}  # fmt: skip
CONVERSIONS: dict[int, Callable[[Any], str]] = {115: str, 114: repr, 97: ascii}
FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, UnicodeError, RecursionError)


def folded(frame: Frame, node: ast.expr) -> Value:
    """The strings that an expression may be by calculation; nothing where that is not known."""
    found = Folding(frame).values(node, {}, 0)
    words = [value for value in found if isinstance(value, str)]
    return frozenset(map(Text, words)) if len(words) == len(found) else frozenset()


class Folding:
    """Works out one expression; ``names`` are those of comprehensions around."""

    def __init__(self, frame: Frame) -> None:
        """Take the frame in which the names are looked up."""
        self._frame = frame
        self._open: set[str] = set()

    def values(self, node: ast.expr, names: dict[str, Any], depth: int) -> list[Any]:
        """Everything that an expression may be; nothing where any of it is not known."""
        if depth > DEEPEST:
            return []
        reader = READERS.get(type(node))
        if reader is None:
            return []
        try:
            found = list(itertools.islice(reader(self, node, names, depth + 1), MOST + 1))
        except FAILURES:
            return []
        if len(found) > MOST or not all(isinstance(value, KNOWN) and is_short(value) for value in found):
            return []
        return found

    def several(self, nodes: Iterable[ast.expr], names: dict[str, Any], depth: int) -> list[tuple[Any, ...]]:
        """Every choice of what some expressions may be together."""
        ways = [self.values(node, names, depth) for node in nodes]
        return list(itertools.islice(itertools.product(*ways), MOST + 1))

    def constant(self, node: ast.Constant, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """A literal."""
        yield node.value

    def name(self, node: ast.Name, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """A name: of a comprehension, a known string, or what the code assigns to it."""
        if node.id in names:
            yield names[node.id]
            return
        if node.id in {"__name__", "__package__"}:
            module = self._frame.module
            yield module.name if node.id == "__name__" or module.is_package else module.name.rpartition(".")[0]
            return
        value = self._frame.value(node)
        known = texts(value)
        if known and not is_open(value) and len(known) == len(value):
            yield from known
            return
        if node.id in self._open:
            return
        self._open.add(node.id)
        try:
            yield from self._assigned(node.id, depth)
        finally:
            self._open.discard(node.id)

    def _assigned(self, name: str, depth: int) -> Iterator[Any]:
        """What the statements of the function, or else of the module, bind a name to; nothing where one is unknown."""
        function, module = self._frame.function, self._frame.module
        own = list(bindings(statements_in(function.node), function.node, name)) if function is not None else []
        found = own or list(bindings(module.tree.body, module.tree, name))
        every: list[Any] = []
        for source, each in found:
            values = self.values(source, {}, depth)
            if not values:
                return
            every += [item for value in values for item in value] if each else values
        yield from every

    def sequence(self, node: Any, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """A list, tuple or set display."""
        for parts in self.several(
            (getattr(item, "value", item) if type(item) is ast.Starred else item for item in node.elts),
            names,
            depth,
        ):
            made: list[Any] = []
            for item, part in zip(node.elts, parts, strict=True):
                made += part if type(item) is ast.Starred else (part,)
            yield tuple(made)

    def mapping(self, node: ast.Dict, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """A dict display."""
        keys = [key for key in node.keys if key is not None]
        if len(keys) < len(node.keys):
            return
        for parts in self.several((*keys, *node.values), names, depth):
            yield dict(zip(parts[: len(keys)], parts[len(keys) :], strict=True))

    def operation(self, node: ast.BinOp, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """An operator, unless what it makes would be long."""
        apply = OPERATORS.get(type(node.op))
        if apply is None:
            return
        for left, right in self.several((node.left, node.right), names, depth):
            numbers = [value for value in (left, right) if isinstance(value, int)]
            if type(node.op) is ast.Mult and numbers and max(map(abs, numbers)) > LONGEST:
                return
            if isinstance(left, str) and type(node.op) is ast.Mod and (is_wide(left) or "*" in left):
                return
            yield apply(left, right)

    def unary(self, node: ast.UnaryOp, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """``-x`` and ``not x``."""
        for value in self.values(node.operand, names, depth):
            if type(node.op) is ast.USub:
                yield -value
            elif type(node.op) is ast.Not:
                yield not value

    def subscript(self, node: ast.Subscript, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """An element or a slice."""
        bounds: tuple[ast.expr | None, ...] = (node.slice,)
        if type(node.slice) is ast.Slice:
            bounds = (node.slice.lower, node.slice.upper, node.slice.step)
        given = [bound or ast.Constant(None) for bound in bounds]
        for value, *index in self.several((node.value, *given), names, depth):
            yield value[slice(*index) if type(node.slice) is ast.Slice else index[0]]

    def joined(self, node: ast.JoinedStr, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """An f-string."""
        for parts in self.several(node.values, names, depth):
            yield "".join(parts)

    def formatted(self, node: ast.FormattedValue, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """A field of an f-string."""
        spec = node.format_spec or ast.Constant("")
        for value, written in self.several((node.value, spec), names, depth):
            convert = CONVERSIONS.get(node.conversion)
            shown = convert(value) if convert is not None else value
            if not is_wide(written):
                yield format(shown, written)

    def conditional(self, node: ast.IfExp, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """``a if test else b``: either, unless the test is known."""
        decided = self.values(node.test, names, depth)
        arms = (node.body, node.orelse) if len(decided) != 1 else ((node.body if decided[0] else node.orelse),)
        ways = [self.values(arm, names, depth) for arm in arms]
        if all(ways):
            yield from itertools.chain.from_iterable(ways)

    def either(self, node: ast.BoolOp, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """``a or b``: what of it is known."""
        for operand in node.values:
            yield from self.values(operand, names, depth)

    def compared(self, node: ast.Compare, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """An equality."""
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            for left, right in self.several((node.left, node.comparators[0]), names, depth):
                yield (left == right) is (type(node.ops[0]) is ast.Eq)

    def comprehension(self, node: Any, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """A comprehension over what is known: all its elements in one sequence."""
        made: list[Any] = []
        for inner in self._rounds(node.generators, names, depth):
            values = self.values(node.elt, inner, depth)
            if len(values) != 1:
                return
            made += values
        yield tuple(made)

    def _rounds(
        self, generators: list[ast.comprehension], names: dict[str, Any], depth: int
    ) -> Iterator[dict[str, Any]]:
        if not generators:
            yield names
            return
        first, *rest = generators
        (source,) = self.values(first.iter, names, depth)
        for item in source:
            inner = {**names, **unpacked(first.target, item)}
            if all(self.values(test, inner, depth) == [True] for test in first.ifs):
                yield from self._rounds(rest, inner, depth)

    def call(self, node: ast.Call, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """A call of a function or a method that only calculates."""
        keywords = [(item.arg, item.value) for item in node.keywords if item.arg is not None]
        if len(keywords) < len(node.keywords) or any(type(item) is ast.Starred for item in node.args):
            return
        named = [name for name, _ in keywords]
        function = node.func
        if type(function) is ast.Name and function.id == "map" and len(node.args) == 2:
            yield from self._mapped(node, names, depth)
        elif type(function) is ast.Name and self._is_builtin(function):
            for given in self.several((*node.args, *(value for _, value in keywords)), names, depth):
                count = len(node.args)
                yield from of_function(function.id, given[:count], dict(zip(named, given[count:], strict=True)))
        elif type(function) is ast.Attribute and function.attr in METHODS:
            static = STATIC.get(function.value.id) if type(function.value) is ast.Name else None
            owner = [] if static is not None else [function.value]
            for given in self.several((*owner, *node.args, *(value for _, value in keywords)), names, depth):
                receiver, rest = (static, given) if static is not None else (given[0], given[1:])
                count = len(node.args)
                yield from of_method(receiver, function.attr, rest[:count], dict(zip(named, rest[count:], strict=True)))

    def _is_builtin(self, node: ast.Name) -> bool:
        """Whether a name is Python's own function that only calculates."""
        return node.id in PURE and self._frame.value(node) == external(f"builtins.{node.id}")

    def _mapped(self, node: ast.Call, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """``map(chr, numbers)``, and the same with a lambda or a method of a string."""
        function = node.args[0]
        for source in self.values(node.args[1], names, depth):
            made: list[Any] = []
            for item in source:
                if type(function) is ast.Lambda and len(function.args.args) == 1:
                    made += self.values(function.body, {**names, function.args.args[0].arg: item}, depth)
                elif type(function) is ast.Name and self._is_builtin(function):
                    made.append(PURE[function.id](item))
                elif type(function) is ast.Attribute and function.attr in METHODS:
                    if type(function.value) is ast.Name and function.value.id in STATIC:
                        made.append(getattr(item, function.attr)())
                    else:
                        made += [
                            getattr(owner, function.attr)(item) for owner in self.values(function.value, names, depth)
                        ]
            if len(made) == len(source):
                yield tuple(made)

    def walrus(self, node: ast.NamedExpr, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """``name := value``."""
        yield from self.values(node.value, names, depth)

    def attribute(self, node: ast.Attribute, names: dict[str, Any], depth: int) -> Iterator[Any]:
        """An attribute that is known to be a string, or a member of an enum that is one."""
        value = self._frame.value(node)
        known = texts(value)
        if known and not is_open(value) and len(known) == len(value):
            yield from known
        elif value and all(type(atom) is Instance and "enum" in atom.info.traits for atom in value):
            held = self._frame.attribute(value, "value", ast.Attribute(node, "value", ast.Load()))
            yield from texts(held) or [node.attr.lower()]


READERS: dict[type, Callable[[Folding, Any, dict[str, Any], int], Iterator[Any]]] = {
    ast.Constant: Folding.constant,
    ast.Name: Folding.name,
    ast.List: Folding.sequence,
    ast.Tuple: Folding.sequence,
    ast.Set: Folding.sequence,
    ast.Dict: Folding.mapping,
    ast.BinOp: Folding.operation,
    ast.UnaryOp: Folding.unary,
    ast.Subscript: Folding.subscript,
    ast.JoinedStr: Folding.joined,
    ast.FormattedValue: Folding.formatted,
    ast.IfExp: Folding.conditional,
    ast.BoolOp: Folding.either,
    ast.Compare: Folding.compared,
    ast.ListComp: Folding.comprehension,
    ast.GeneratorExp: Folding.comprehension,
    ast.SetComp: Folding.comprehension,
    ast.Call: Folding.call,
    ast.NamedExpr: Folding.walrus,
    ast.Attribute: Folding.attribute,
}
