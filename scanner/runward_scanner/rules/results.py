"""What an execution gave, by the names that a method of ToolRunner gives it."""

from __future__ import annotations

import ast

from runward_scanner.rules.execution import Methods, executes
from runward_scanner.walking import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.engine import Engine

ASSIGNMENTS = frozenset({ast.Assign})
BINDING = frozenset({ast.Assign, ast.AnnAssign, ast.NamedExpr})
REBINDING = (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith)
"""What may put something else under a name."""
CALLS = frozenset({ast.Call})
NAMES = frozenset({ast.Name})
TRIES = frozenset({ast.Try, ast.TryStar})


def around_runs(engine: Engine, methods: Methods, method: ast.AST) -> set[ast.ExceptHandler]:
    """The handlers of what an execution raises, as against those of what a validator alone does."""
    return {
        handler
        for node in methods.nodes(method, TRIES)
        if any(executes(engine, methods, call) for statement in node.body for call in find(statement, CALLS))
        for handler in node.handlers
    }


def outputs(engine: Engine, methods: Methods, method: ast.AST) -> set[str]:
    """The names that an execution's result is assigned to as it is."""
    names: set[str] = set()
    for node in methods.nodes(method, ASSIGNMENTS):
        value = node.value.value if type(node.value) is ast.Await else node.value
        if type(value) is ast.Call and executes(engine, methods, value):
            names.update(target.id for target in node.targets if type(target) is ast.Name)
    return names


def results(engine: Engine, methods: Methods, method: ast.AST) -> set[str]:
    """The names that hold what an execution gave, or what was made of it; empty where that is not followed."""
    names: set[str] = set()
    assigned = methods.nodes(method, BINDING)
    for _ in range(3):
        for node in assigned:
            if node.value is None:
                continue
            runs = any(executes(engine, methods, call) for call in find(node.value, CALLS))
            if runs or any(part.id in names for part in find(node.value, NAMES)):
                targets = node.targets if type(node) is ast.Assign else [node.target]
                names.update(item.id for target in targets for item in find(target, NAMES))
    return names


def bound_by(node: ast.AST) -> tuple[list[ast.expr], list[ast.expr]]:
    """The targets of what binds names, and the values that they are given."""
    if type(node) is ast.Assign:
        return node.targets, [node.value]
    if type(node) is ast.For or type(node) is ast.AsyncFor:
        return [node.target], [node.iter]
    if type(node) is ast.With or type(node) is ast.AsyncWith:
        bound = [item for item in node.items if item.optional_vars is not None]
        return [item.optional_vars for item in bound if item.optional_vars], [item.context_expr for item in bound]
    if (type(node) is ast.AnnAssign or type(node) is ast.NamedExpr) and node.value is not None:
        return [node.target], [node.value]
    return [], []
