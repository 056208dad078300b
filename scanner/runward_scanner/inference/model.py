"""Modules, classes, functions and their activations."""

from __future__ import annotations

import ast
import os

from runward_scanner.inference.part import Part
from runward_scanner.inference.values import NOTHING, Class, Container, Instance, Value
from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    from runward_scanner.finding import Finding
    from runward_scanner.inference.heap import Derived
    from runward_scanner.source import Source

SIMPLE = frozenset(
    {
        ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete, ast.Return, ast.Raise, ast.Assert, ast.Break,
        ast.Continue, ast.Global, ast.Nonlocal, ast.Pass, ast.Import, ast.ImportFrom,
    }
)  # fmt: skip
"""Statements that hold no other."""
UNASKED = SIMPLE - {ast.Expr, ast.AnnAssign, ast.Import, ast.ImportFrom}
"""Those of them that nobody looks for by kind."""
WITH_BODY = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.With, ast.AsyncWith})
WITH_ELSE = frozenset({ast.If, ast.For, ast.AsyncFor, ast.While})
TRIES = frozenset({ast.Try, ast.TryStar})
WITHOUT_BODY = SIMPLE | {getattr(ast, "TypeAlias", ast.Pass)}


def bodies_of(statement: Any) -> list[list[ast.stmt]]:
    """The blocks of a compound statement in order."""
    kind = type(statement)
    if kind in WITH_ELSE:
        return [statement.body, statement.orelse]
    if kind in TRIES:
        handled = [handler.body for handler in statement.handlers]
        return [statement.body, *handled, statement.orelse, statement.finalbody]
    if kind is ast.Match:
        return [case.body for case in statement.cases]
    return [statement.body] if kind not in WITHOUT_BODY else []


def statements_in(function: ast.AST) -> Iterator[ast.stmt]:
    """Every statement in a function, those of functions and classes made there too."""
    pending = bodies_of(function)
    while pending:
        for statement in pending.pop():
            yield statement
            pending += bodies_of(statement)


def _by_kind(body: list[ast.stmt]) -> dict[type, list[ast.stmt]]:
    """The statements of a block and those in them, by kind, but for those that nobody asks for."""
    found: dict[type, list[ast.stmt]] = {}
    pending = [body]
    while pending:
        for statement in pending.pop():
            kind = type(statement)
            if kind in UNASKED:
                continue
            if kind in found:
                found[kind].append(statement)
            else:
                found[kind] = [statement]
            if kind in WITH_BODY:
                pending.append(statement.body)  # type: ignore[attr-defined]
            elif kind not in SIMPLE:
                pending += bodies_of(statement)
    return found


FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Found(NamedTuple):
    """The file that a name was resolved to: as it is shown, and its path."""

    shown: str
    path: str


class ModuleInfo:
    """A parsed file. ``local`` is its name below the governed root, empty where it lies in none (``root`` is None)."""

    def __init__(
        self,
        path: str,
        name: str,
        local: str,
        *,
        root: str | None,
        is_package: bool,
        governed: bool,
        in_api: bool,
        source: Source,
        tree: ast.Module,
        neighbours: dict[str, Found | None],
    ) -> None:
        """Take what is known from the beginning."""
        self.path = path
        self.folder, _, self.file = path.rpartition(os.sep)
        self.name = name
        self.local = local
        self.root = root
        self.is_package = is_package
        self.governed = governed
        self.source = source
        self.tree = tree
        self.neighbours = neighbours
        """What absolute names mean in this folder, as far as that was asked."""
        self.in_api = in_api
        """Whether it belongs to the API."""
        self.stars: list[Value] = []
        self.top: Activation | None = None
        # What is governed is asked for them; gathered now, right after the parser made them, they are still at hand.
        self._statements = _by_kind(tree.body) if governed else None

    def statements(self, *kinds: type[ast.stmt]) -> Iterator[Any]:
        """Every statement of the file that is of one of these kinds, kind after kind, outer ones before inner ones.

        Assignments without annotations, and others that are in ``UNASKED``, are not among them.
        """
        found = self._statements
        if found is None:
            found = self._statements = _by_kind(self.tree.body)
        for asked in kinds:
            if asked in found:
                yield from found[asked]

    def __repr__(self) -> str:
        """Name the module."""
        return f"<module {self.name}>"


class FunctionInfo:
    """A function or lambda; ``owner`` is the class whose body holds it, ``inside`` every class around it."""

    def __init__(
        self,
        module: ModuleInfo,
        node: FunctionNode,
        name: str,
        qualname: str,
        *,
        owner: ClassInfo | None,
        inside: tuple[ClassInfo, ...],
    ) -> None:
        """Take what is known from the beginning."""
        self.module = module
        self.node = node
        self.name = name
        self.qualname = qualname
        self.owner = owner
        self.inside = inside
        self.is_lambda = type(node) is ast.Lambda
        self.kind: str = "function"
        self.activations: dict[object, Activation] = {}
        self.calls: list[ast.Call] = []
        """The calls in it, not in functions and classes made there; a lambda's are those of what it stands in."""
        self.filled: frozenset[str] | None = None
        """The names whose elements the body writes, once that was asked."""
        self.parameters: dict[str, tuple[int, ast.arg, ast.expr | None]] = {}
        """Its parameters but for variadic ones, by name: the place, the parameter, the default that is written."""
        self.most_positional = 0
        """How many of them, the first, may be given by their places."""
        self.defaults: dict[str, Value] = {}
        """What its parameters are taken to be, as far as that was asked."""
        self.defaults_given: dict[str, Value] = {}
        """What the default was from which it was worked out what a parameter is taken to be."""
        self.covered: set[tuple[str, Value]] = set()
        """Arguments that were shown to be nothing but what their parameters are taken to be."""
        self.refuses: dict[int, bool] = {}
        """Whether it decides anything as a validator, by how deep validators asked one another, as far as asked."""

    def release(self) -> None:
        """Let go of what it was read with."""
        self.activations.clear()
        self.defaults.clear()
        self.defaults_given.clear()
        self.covered.clear()

    def __repr__(self) -> str:
        """Name the function."""
        return f"<function {self.qualname}>"


class ClassInfo:
    """A class; its namespace and its instances' attributes lie in the heap under it."""

    def __init__(
        self,
        module: ModuleInfo,
        node: ast.ClassDef,
        name: str,
        qualname: str,
        *,
        outer: tuple[ClassInfo, ...],
        in_function: bool = False,
    ) -> None:
        """Take what is known from the beginning."""
        self.module = module
        self.node = node
        self.name = name
        self.qualname = qualname
        self.outer = outer
        self.itself: Value = frozenset((Class(self),))
        """The value that is the class."""
        self.instance: Value = frozenset((Instance(self),))
        """The value that is an instance, perhaps of a subclass."""
        self.exact_instance: Value = frozenset((Instance(self, exact=True),))
        """The value that is an instance of the class itself."""
        self.in_function = in_function
        self.bases: list[Value] = []
        self.keywords: dict[str, Value] = {}
        self.subclasses: list[ClassInfo] = []
        self.decorators: set[str] = set()
        self.fields: list[str] = []
        self.annotations: dict[str, ast.expr] = {}
        self.line: tuple[ClassInfo, ...] | None = None
        """The class and those it derives from, nearest first, once that was asked; None after a base changed."""
        self.containers: list[Container] = []
        """The generic containers that the classes in its line derive from, once that was asked."""
        self.outcomes: frozenset[str] | None = None
        """Which words of metrics it has as members, once that was asked."""
        self.traits: frozenset[str] = frozenset()
        """What its ancestors make it: plugin, enum, state, status, tool_runner, protocol, open (a base is unknown)."""

    def release(self) -> None:
        """Let go of the classes that it derives from and that derive from it."""
        self.itself = self.instance = self.exact_instance = NOTHING
        self.bases.clear()
        self.subclasses.clear()
        self.keywords.clear()
        self.line = None

    def __repr__(self) -> str:
        """Name the class."""
        return f"<class {self.module.name}.{self.qualname}>"


class Activation:
    """A function (or a module's top level, or a class body) with certain arguments: what it gives, holds and breaks."""

    def __init__(
        self,
        module: ModuleInfo,
        function: FunctionInfo | None,
        arguments: dict[str, Value] | None = None,
        parent: Activation | None = None,
    ) -> None:
        """Take what is known from the beginning."""
        self.module = module
        self.function = function
        self.arguments: dict[str, Value] = arguments if arguments is not None else {}
        self.besides: dict[str, Value] = {}
        """What parameters may be beside what they are taken to be, from calls that need not be told apart."""
        self.parent = parent
        self.findings: list[Finding] = []
        self.caller: tuple[Activation, ast.AST] | None = None
        self.running: bool = False
        self.queued: bool = False
        self.evaluations: int = 0
        self.order: int = 0
        """How many others were read before it."""
        self.depth: int = 0
        self.rebound: set[str] = set()
        """Names of it that functions within it rebind."""
        self.parts: dict[ast.AST, Part] = {}
        """How each part of the body was last read."""
        self.rest = Part()
        self.rest.activation = self
        self.rest.stale = False
        """What is in no part: read every time."""
        self.part: Part | Derived = self.rest
        """What is being read, or worked out."""

    def release(self) -> None:
        """Let go of what it was read with, once nothing is read any more."""
        self.caller = self.parent = None
        self.arguments.clear()
        self.besides.clear()
        self.parts.clear()
        del self.rest, self.part

    def __repr__(self) -> str:
        """Name what is activated."""
        return f"<activation of {self.function or self.module}>"
