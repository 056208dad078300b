"""One evaluation of one function body, class body or module: its names, and where it stands."""

from __future__ import annotations

import ast

from runward_scanner.inference import scope
from runward_scanner.inference.part import Part
from runward_scanner.inference.reporting import finding_at, place_of
from runward_scanner.inference.scope import BUILTINS
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    UNKNOWN_ROLE,
    Value,
    bytes_value,
    text_value,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from runward_scanner.finding import Finding, Place, Step
    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import Activation, ClassInfo, FunctionInfo, ModuleInfo

NAME = ast.Name
ATTRIBUTE = ast.Attribute
CONSTANT = ast.Constant
LITERALS: dict[type, Callable[[Any], Value]] = {str: text_value, bytes: bytes_value}
"""What literals are of which something can be learnt."""
EXPRESSION = ast.Expr
EXPRESSIONS: dict[type, Callable[[Any, Any], Value]] = {}
STATEMENTS: dict[type, Callable[[Any, Any], None]] = {}
"""How each kind of node is read; the modules that know fill these in."""
WHOLE: frozenset[type] = frozenset(
    {ast.AnnAssign, ast.Assign, ast.AugAssign, ast.Delete, ast.Expr, ast.Raise, ast.Return}
)
"""Statements that are one part."""
NO_NAMES: frozenset[str] = frozenset()
DEEPEST = 500
"""How deep expressions may nest; past that nobody can check them. Python's own stack is the limit behind it."""
TOO_DEEP = "The code is nested too deep to be checked"


class Frame:
    """The state while a body is read in order; ``env`` holds what the names may be at this point."""

    __slots__ = (
        "activation",
        "bindings",
        "bound",
        "cells",
        "class_info",
        "collectors",
        "declared",
        "depth",
        "derived",
        "engine",
        "env",
        "exits",
        "function",
        "global_names",
        "in_parts",
        "inside",
        "is_plain",
        "keeps",
        "live",
        "looked_up",
        "missed",
        "module",
        "outside",
        "owner",
        "rebound",
        "sees_globals",
        "walruses",
        "yielded",
    )

    missed: set[str]
    """Names that were looked up while they were not bound here; noted within loops alone, which ask for them."""

    def __init__(self, engine: Engine, activation: Activation, class_info: ClassInfo | None = None) -> None:
        """Begin with no names; a class body gives its class."""
        self.engine = engine
        self.activation = activation
        self.module: ModuleInfo = activation.module
        self.function: FunctionInfo | None = activation.function
        self.rebound = activation.rebound
        """Names of it that functions within it rebind."""
        self.cells, self.derived = engine.scopes[self.module]
        """The module's globals, and what attributes were found to be in it."""
        self.sees_globals = class_info is None and activation.parent is None
        """Whether a name that is not bound here is a global."""
        self.class_info = class_info
        inside = self.function.inside if self.function else ()
        self.inside: tuple[ClassInfo, ...] = (class_info, *inside) if class_info else inside
        self.env: dict[str, Value] = {}
        self.bound: dict[str, ast.AST] = {}
        self.live = True
        self.walruses = NO_NAMES
        """Names that ``:=`` bound in the comprehension being read."""
        self.owner: ClassInfo | ModuleInfo | Activation | None = class_info
        """Under what its names are kept for others to read: a function's once a function is made in it."""
        if class_info is None and self.function is None:
            self.owner = self.module
        self.depth = 0
        self.global_names = NO_NAMES
        self.declared = NO_NAMES
        """Names that are declared global or nonlocal."""
        self.collectors: tuple[dict[str, Value], ...] = ()
        self.exits: tuple[list[dict[str, Value]], ...] = ()
        """For each loop around what is being read, the names as they are where it is left."""
        self.yielded: Value = NOTHING
        self.is_plain = class_info is None
        """Whether a name that is bound here is what it was last bound to: no class's, no global."""
        self.in_parts = False
        """Whether the body is read in parts, which need not be read again."""
        self.keeps = True
        """Whether the part being read changes nothing but names."""
        self.looked_up: dict[str, Value | None] = {}
        """The names that the part being read looked up."""
        self.bindings: list[tuple[str, Value, ast.AST]] = []
        """The names that the part being read bound."""
        self.outside = self.looked_up, self.bindings
        """Where names are noted between parts, which is read every time."""

    lookup = scope.lookup
    module_name = scope.module_name
    named = staticmethod(scope.named)

    @property
    def is_module(self) -> bool:
        """Whether this is a module's top level."""
        return self.function is None and self.class_info is None

    # -- reading ---------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Value:
        """What an expression may be."""
        kind = type(node)
        if kind is NAME:
            name: str = node.id  # type: ignore[attr-defined]
            value = self.env.get(name)
            self.looked_up.setdefault(name, value)
            if value:
                if self.is_plain and UNKNOWN_ROLE not in value and not (self.rebound and name in self.rebound):
                    return value
            elif value is None and self.sees_globals:
                cell = self.cells.get(name)
                if cell is not None:
                    value = cell.value
                    if not value and not self.module.stars:
                        value = BUILTINS.get(name)
                    if value and UNKNOWN_ROLE not in value:
                        if self.exits:
                            self.missed.add(name)
                        cell.readers.append(self.activation.part)
                        return value
        elif kind is CONSTANT:
            literal = node.value  # type: ignore[attr-defined]
            return LITERALS[type(literal)](literal) if type(literal) in LITERALS else OPAQUE
        elif kind is ATTRIBUTE:
            return EXPRESSIONS[kind](self, node)  # which is no deeper than what it is of
        depth = self.depth
        if depth > DEEPEST:
            self.report("RWD000", node, TOO_DEEP)
            return UNKNOWN
        self.depth = depth + 1
        value = EXPRESSIONS[kind](self, node)
        self.depth = depth  # an exception ends the whole evaluation, and this frame with it
        return value

    def execute(self, statements: Sequence[ast.stmt]) -> None:
        """Read statements in order, updating what the names may be."""
        in_parts = self.in_parts
        for statement in statements:
            kind = type(statement)
            if kind not in WHOLE:
                STATEMENTS[kind](self, statement)
            elif kind is EXPRESSION and type(statement.value) is CONSTANT:  # type: ignore[attr-defined]
                continue  # a docstring
            elif in_parts:
                self.read_part(statement, STATEMENTS[kind])
            else:
                STATEMENTS[kind](self, statement)

    def head(self, node: ast.expr) -> Value:
        """What the expression may be that stands in the head of a compound statement."""
        return self.read_part(node, Frame.value) if self.in_parts else self.value(node)

    def read_part(self, node: ast.AST, read: Callable[[Frame, Any], Any]) -> Any:
        """Read a part of the body, unless that would give what it gave last time: then do what it did."""
        activation = self.activation
        part = activation.parts.get(node)
        if part is None:
            part = activation.parts[node] = Part()
            part.activation = activation
        elif part.reads_the_same(self.env):
            return self._read_as_before(part)
        part.stale = part.is_kept = False
        self.looked_up = part.looked_up = {}
        self.bindings = part.bound = []
        self.keeps = True
        env, live = self.env, self.live
        found = len(activation.findings)
        activation.part = part
        part.result = result = read(self, node)
        activation.part = activation.rest
        self.looked_up, self.bindings = self.outside
        part.is_kept = self.keeps and self.env is env
        part.leaves = live and not self.live
        part.findings = activation.findings[found:] if activation.findings else ()
        return result

    def _read_as_before(self, part: Part) -> Any:
        """Do to the names what reading a part did, and report what it reported."""
        self.looked_up, self.bindings = self.outside
        for name, value, node in part.bound:
            self.bind(name, value, node)
        if self.exits:
            self.missed.update(name for name, looked_up in part.looked_up.items() if looked_up is None)
        if part.leaves:
            self.live = False
        if part.findings:
            self.activation.findings += part.findings
        return part.result

    def call(self, callee: Value, arguments: Arguments, node: ast.AST) -> Value:
        """What calling a value gives; the callee's body is read with these arguments."""
        return self.engine.call(self, callee, arguments, node)

    def attribute(self, receiver: Value, name: str, node: ast.AST) -> Value:
        """What an attribute of a value may be; getting hold of a plugin's ``run`` is reported."""
        return self.engine.attribute(self, receiver, name, node)

    # -- writing ---------------------------------------------------------------------------------------------------

    def bind(self, name: str, value: Value, node: ast.AST) -> None:
        """Let a name be a value from here on."""
        self.bound[name] = node
        if self.declared and name in self.declared and self._bind_elsewhere(name, value, node):
            return
        self.env[name] = value
        self.bindings.append((name, value, node))
        if self.collectors:
            for collector in self.collectors:
                seen = collector.get(name)
                if seen is not value:
                    collector[name] = value if seen is None else seen | value
        owner = self.owner
        if owner is not None:
            if owner is self.module:
                self.engine.hook_store(self, node, None, name, value)
            self.engine.heap.write(owner, name, value, self.module, node)

    def _bind_elsewhere(self, name: str, value: Value, node: ast.AST) -> bool:
        """Let a name that is declared global or nonlocal be a value; whether it is no name of this function at all."""
        heap = self.engine.heap
        self.keeps = False
        if name in self.global_names:
            self.engine.hook_store(self, node, None, name, value)
            heap.write(self.module, name, value, self.module, node)
            return True
        parent = self.activation.parent
        while parent is not None and not heap.is_written(parent, name):
            parent = parent.parent
        if parent is not None:
            heap.write(parent, name, value, self.module, node)
            if name not in parent.rebound:
                parent.rebound.add(name)
                parent.parts.clear()
                self.engine.enqueue(parent)
        return False

    def capture(self, node: ast.AST) -> None:
        """A function is made here: from now on it sees what this function's names are."""
        if self.function is None or self.class_info is not None:
            return
        self.owner = self.activation
        self.keeps = False
        for name, value in self.env.items():
            self.engine.heap.write(self.activation, name, value, self.module, node)

    # -- branches --------------------------------------------------------------------------------------------------

    def fork(self) -> dict[str, Value]:
        """Give the names as they are, and go on with a copy."""
        before = self.env
        self.env = dict(before)
        return before

    def join(self, before: dict[str, Value], other: dict[str, Value]) -> None:
        """Go on with what the names may be after this way or the other; where neither changed any, as before both."""
        if self.env == before and other == before:
            self.env = before
        else:
            self.merge([other])

    def merge(self, others: Iterable[dict[str, Value]]) -> None:
        """Go on with what the names may be after this way or any of the others."""
        ways = [*others, self.env] if self.live else list(others)
        if not ways:
            return
        self.live = True
        merged = dict(ways[0])
        for way in ways[1:]:
            if way == merged:
                continue  # most branches bind no name
            for name, value in way.items():
                old = merged.get(name)
                if old is None:
                    merged[name] = value
                elif old is not value and old != value:
                    merged[name] = old | value
        self.env = merged

    # -- reporting -------------------------------------------------------------------------------------------------

    def place(self, node: ast.AST) -> Place:
        """Where a node stands."""
        return place_of(self.module, node)

    def report(self, code: str, node: ast.AST, message: str, steps: Iterable[Step] = ()) -> None:
        """Report a finding here, or at the governed call that led into code that is not governed."""
        finding = self.finding(code, node, message, steps)
        if finding is not None:
            self.activation.findings.append(finding)

    def finding(self, code: str, node: ast.AST, message: str, steps: Iterable[Step] = ()) -> Finding | None:
        """A finding as ``report`` reports it; None where no governed call led here."""
        return finding_at(self.activation, node, code, message, steps)
