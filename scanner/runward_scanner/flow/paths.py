"""All ways through a body, with the facts that hold on each.

A state is the set of facts that hold at a point; a body maps the states that enter it to the states that leave it, each
way of leaving apart: going on, returning, raising, ``break``, ``continue``. Facts are few, so every combination is
followed: a fact that holds in every state which reaches a point is established by something that dominates it, and one
that holds in every state which leaves is established by something that post-dominates the entry.
"""

from __future__ import annotations

import ast

from runward_scanner.flow.conditions import constant_truth, has_elements
from runward_scanner.flow.order import CHOICES, evaluated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol, TypeAlias

    class Effects(Protocol):
        """What expressions do to the facts."""

        def apply(self, node: ast.AST, state: State) -> State:
            """The facts after an expression (a call, a return, an assignment, …) ended normally."""
            ...

        def raised(self, node: ast.AST, state: State) -> State | None:
            """The facts where it raised; None where it is taken not to."""
            ...

        def caught(self, handler: ast.ExceptHandler, state: State) -> State:
            """The facts as a handler begins."""
            ...

        def quiets(self, manager: ast.expr) -> bool:
            """Whether a context manager drops exceptions that are raised within it."""
            ...


State: TypeAlias = frozenset[str]
States: TypeAlias = frozenset[State]
NONE: States = frozenset()
APPLIED = frozenset({ast.Return, ast.Raise, ast.Assert, ast.Assign, ast.AnnAssign})
"""Statements that are an effect themselves."""
USUAL = frozenset({*APPLIED, ast.Expr, ast.AugAssign, ast.Delete, ast.Pass, ast.Break, ast.Continue})
"""Statements that hold no other."""


class Ways:
    """The states in which a body is left, by how."""

    def __init__(
        self,
        normal: States = NONE,
        returned: States = NONE,
        raised: States = NONE,
        broken: States = NONE,
        continued: States = NONE,
    ) -> None:
        """Take what is known from the beginning."""
        self.normal = normal
        self.returned = returned
        self.raised = raised
        self.broken = broken
        self.continued = continued

    def also(self, other: Ways) -> None:
        """Add the abrupt ways of another body."""
        self.returned |= other.returned
        self.raised |= other.raised
        self.broken |= other.broken
        self.continued |= other.continued


class Walk:
    """One walk over a body with certain effects; ``visited`` collects the states that reach each node of interest."""

    def __init__(self, effects: Effects, all_caught: bool = False) -> None:
        """Take what is known from the beginning."""
        self.effects = effects
        self.all_caught = all_caught
        """Whether ``except Exception`` is taken to catch whatever is raised."""
        self.visited: dict[ast.AST, States] = {}

    def body(self, statements: Sequence[ast.stmt], states: States) -> Ways:
        """Follow statements in order."""
        ways = Ways(normal=states)
        for statement in statements:
            if not ways.normal:
                break
            step = self.statement(statement, ways.normal)
            ways.normal = step.normal
            ways.also(step)
        return ways

    def statement(self, node: ast.stmt, states: States) -> Ways:
        """Follow one statement."""
        self.visited[node] = self.visited.get(node, NONE) | states
        compound = self._compound(node, states)
        return compound if compound is not None else self._simple(node, states)

    def _compound(self, node: ast.stmt, states: States) -> Ways | None:
        """Follow a statement that holds others; None for one that does not."""
        if type(node) is ast.If:
            return self._if(node, states)
        if type(node) in USUAL:
            return None
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return self.expressions([*node.decorator_list], states)
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            return self._loop(node, states)
        if type(node) is ast.Try or type(node) is ast.TryStar:
            return self._try(node, states)
        if type(node) is ast.With or type(node) is ast.AsyncWith:
            return self._with(node, states)
        return self._match(node, states) if type(node) is ast.Match else None

    def _simple(self, node: ast.stmt, states: States) -> Ways:
        """Follow a statement that holds no other."""
        ways = self.expressions([node], states)
        if type(node) in APPLIED:
            ways.normal = frozenset(self.effects.apply(node, state) for state in ways.normal)
        if type(node) is ast.Return:
            ways.returned, ways.normal = ways.returned | ways.normal, NONE
        elif type(node) is ast.Raise:
            ways.raised |= ways.normal
            ways.normal = NONE
        elif type(node) is ast.Break:
            ways.broken, ways.normal = ways.normal, NONE
        elif type(node) is ast.Continue:
            ways.continued, ways.normal = ways.normal, NONE
        elif type(node) is ast.Assert:
            ways.raised |= ways.normal
            # With -O the whole statement, calls and all, does not run.
            ways.normal |= states
        return ways

    def expressions(self, nodes: Iterable[ast.AST | None], states: States) -> Ways:
        """Follow the parts of expressions in the order in which they are evaluated."""
        ways = Ways(normal=states)
        for node in nodes:
            if node is None:
                continue
            for part, certain in evaluated(node):
                before = ways.normal
                if type(part) in CHOICES:
                    self._choice(part, ways)
                else:
                    self._part(part, ways)
                if not certain:
                    ways.normal |= before
        return ways

    def _part(self, node: ast.AST, ways: Ways) -> None:
        """One part that is evaluated, and may raise."""
        self.visited[node] = self.visited.get(node, NONE) | ways.normal
        after = set()
        for state in ways.normal:
            failed = self.effects.raised(node, state)
            if failed is not None:
                ways.raised |= {failed}
            after.add(self.effects.apply(node, state))
        ways.normal = frozenset(after)

    def _choice(self, node: ast.AST, ways: Ways) -> None:
        """A conditional expression takes one arm; ``and`` and ``or`` may end after each operand."""
        if type(node) is ast.IfExp:
            self._go_on([node.test], ways)
            truth = constant_truth(node.test)
            into, ways.normal = ways.normal, NONE
            for arm, taken in ((node.body, truth is not False), (node.orelse, truth is not True)):
                if taken:
                    way = self.expressions([arm], into)
                    ways.normal |= way.normal
                    ways.raised |= way.raised
        elif type(node) is ast.BoolOp:
            ended = NONE
            for operand in node.values:
                self._go_on([operand], ways)
                ended |= ways.normal
            ways.normal = ended

    def _go_on(self, nodes: Iterable[ast.AST | None], ways: Ways) -> None:
        """Follow expressions after what was followed already."""
        step = self.expressions(nodes, ways.normal)
        ways.normal = step.normal
        ways.raised |= step.raised

    def _if(self, node: ast.If, states: States) -> Ways:
        ways = self.expressions([node.test], states)
        truth = constant_truth(node.test)
        into = ways.normal
        body = self.body(node.body, into if truth is not False else NONE)
        other = self.body(node.orelse, into if truth is not True else NONE)
        ways.normal = body.normal | other.normal
        ways.also(body)
        ways.also(other)
        return ways

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, states: States) -> Ways:
        head = node.test if isinstance(node, ast.While) else node.iter
        endless = type(node) is ast.While and constant_truth(node.test) is True
        ways = Ways()
        entered = states
        ended = exits = NONE
        while True:
            test = self.expressions([head], entered)
            ways.raised |= test.raised
            begun = test.normal
            if type(node) is not ast.While:
                begun = frozenset(self.effects.apply(node, state) for state in begun)
            body = self.body(node.body, begun)
            ways.returned |= body.returned
            ways.raised |= body.raised
            exits |= body.broken
            ended |= body.normal | body.continued
            again = entered | ended
            if again == entered:
                break
            entered = again
        # A display with elements is gone through once at least.
        left = ended if not isinstance(node, ast.While) and has_elements(node.iter) else entered
        done = NONE if endless else self.expressions([head], left).normal
        other = self.body(node.orelse, done)
        ways.also(other)
        ways.normal = other.normal | exits
        return ways

    def _try(self, node: ast.Try | ast.TryStar, states: States) -> Ways:
        body = self.body(node.body, states)
        inner = Ways(returned=body.returned, broken=body.broken, continued=body.continued)
        other = self.body(node.orelse, body.normal)
        inner.normal = other.normal
        inner.also(other)
        catches_all = False
        for handler in node.handlers:
            begun = frozenset(self.effects.caught(handler, state) for state in body.raised)
            handled = self.body(handler.body, begun)
            inner.normal |= handled.normal
            inner.also(handled)
            catches_all = catches_all or handler.type is None or _is_base(handler.type, self.all_caught)
        if not catches_all:
            inner.raised |= body.raised
        return self._finally(node.finalbody, inner) if node.finalbody else inner

    def _finally(self, statements: Sequence[ast.stmt], inner: Ways) -> Ways:
        """Run the final block after each way of leaving; where it ends normally, that way goes on."""
        outer = Ways()
        for name in ("normal", "returned", "raised", "broken", "continued"):
            states: States = getattr(inner, name)
            if not states:
                continue
            final = self.body(statements, states)
            outer.also(final)
            setattr(outer, name, getattr(outer, name) | final.normal)
        return outer

    def _with(self, node: ast.With | ast.AsyncWith, states: States) -> Ways:
        entered = [entry.context_expr for entry in node.items]
        # Entering an asynchronous one waits, after the expression was evaluated.
        waits = type(node) is ast.AsyncWith
        ways = self.expressions([ast.Await(item) if waits else item for item in entered], states)
        body = self.body(node.body, frozenset(self.effects.apply(node, state) for state in ways.normal))
        ways.normal = body.normal
        if any(self.effects.quiets(item) for item in entered):
            ways.normal |= body.raised
            if self.all_caught and any(_drops_all(item) for item in entered):
                body.raised = NONE
        ways.also(body)
        return ways

    def _match(self, node: ast.Match, states: States) -> Ways:
        ways = self.expressions([node.subject], states)
        pending = ways.normal
        ways.normal = NONE
        for case in node.cases:
            guard = self.expressions([case.guard], pending)
            ways.raised |= guard.raised
            body = self.body(case.body, guard.normal)
            ways.normal |= body.normal
            ways.also(body)
            if case.guard is None and type(case.pattern) is ast.MatchAs and case.pattern.pattern is None:
                return ways
        ways.normal |= pending
        return ways


def _is_base(node: ast.expr, all_caught: bool) -> bool:
    """Whether a handler takes every exception."""
    if type(node) is ast.Tuple:
        return any(_is_base(item, all_caught) for item in node.elts)
    return type(node) is ast.Name and (node.id == "BaseException" or (all_caught and node.id == "Exception"))


def _drops_all(node: ast.expr) -> bool:
    """Whether a context manager is ``suppress(Exception)``."""
    return suppresses(node) and type(node) is ast.Call and any(_is_base(item, True) for item in node.args)


def suppresses(node: ast.expr) -> bool:
    """Whether a context manager is ``contextlib.suppress`` by its spelling."""
    if type(node) is not ast.Call:
        return False
    name = node.func.attr if type(node.func) is ast.Attribute else node.func.id if type(node.func) is ast.Name else ""
    return name == "suppress"
