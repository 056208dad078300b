"""Modules, classes, functions and their activations."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runward_scanner.inference.values import NOTHING, Value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runward_scanner.finding import Finding
    from runward_scanner.source import Source

SIMPLE = frozenset(
    {
        ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete, ast.Return, ast.Raise, ast.Assert, ast.Break,
        ast.Continue, ast.Global, ast.Nonlocal, ast.Pass, ast.Import, ast.ImportFrom,
    }
)  # fmt: skip
"""Statements that hold no other."""


def bodies_of(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of a compound statement in order."""
    if isinstance(statement, ast.Match):
        for case in statement.cases:
            yield case.body
        return
    for name in ("body", "handlers", "orelse", "finalbody"):
        block = getattr(statement, name, None) or []
        if name == "handlers":
            for handler in block:
                yield handler.body
        elif block:
            yield block


FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(eq=False, slots=True)
class ModuleInfo:
    """A parsed file. ``local`` is its name below the governed root, empty where it lies in none (``root`` is None)."""

    path: Path
    name: str
    local: str
    root: Path | None
    is_package: bool
    governed: bool
    source: Source
    tree: ast.Module
    neighbours: dict[str, Path | None]
    """What absolute names mean in this folder, as far as that was asked."""
    stars: list[Value] = field(default_factory=list)
    top: Activation | None = None
    _statements: list[ast.stmt] | None = None

    @property
    def statements(self) -> list[ast.stmt]:
        """Every statement of the file, outer ones before those within them."""
        if self._statements is None:
            self._statements = []
            pending: list[list[ast.stmt]] = [self.tree.body]
            while pending:
                for statement in pending.pop():
                    self._statements.append(statement)
                    if statement.__class__ not in SIMPLE:
                        pending.extend(bodies_of(statement))
        return self._statements

    def __repr__(self) -> str:
        """Name the module."""
        return f"<module {self.name}>"


@dataclass(eq=False, slots=True)
class FunctionInfo:
    """A function or lambda; ``owner`` is the class whose body holds it, ``inside`` every class around it."""

    module: ModuleInfo
    node: FunctionNode
    name: str
    qualname: str
    owner: ClassInfo | None
    inside: tuple[ClassInfo, ...]
    kind: str = "function"
    activations: dict[object, Activation] = field(default_factory=dict)
    filled: frozenset[str] | None = None
    """The names whose elements the body writes, once that was asked."""
    parameters: dict[str, tuple[int, ast.arg, ast.expr | None]] | None = None
    refuses: dict[int, bool] = field(default_factory=dict)
    """Whether it decides anything as a validator, by how deep validators asked one another; what was asked already."""

    @property
    def is_generator(self) -> bool:
        """Whether the body yields; decided while it is read."""
        return self.kind.startswith("generator")

    def __repr__(self) -> str:
        """Name the function."""
        return f"<function {self.qualname}>"


@dataclass(eq=False, slots=True)
class ClassInfo:
    """A class; its namespace and its instances' attributes lie in the heap under it."""

    module: ModuleInfo
    node: ast.ClassDef
    name: str
    qualname: str
    outer: tuple[ClassInfo, ...]
    in_function: bool = False
    bases: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    subclasses: list[ClassInfo] = field(default_factory=list)
    decorators: set[str] = field(default_factory=set)
    fields: list[str] = field(default_factory=list)
    annotations: dict[str, ast.expr] = field(default_factory=dict)
    line: tuple[ClassInfo, ...] | None = None
    """The class and those it derives from, nearest first, once that was asked; None after a base changed."""
    traits: frozenset[str] = frozenset()
    """What its ancestors make it: plugin, enum, state, status, tool_runner, protocol, open (a base is not in sight)."""

    def release(self) -> None:
        """Let go of the classes that it derives from and that derive from it."""
        self.bases.clear()
        self.subclasses.clear()
        self.keywords.clear()
        self.line = None

    def __repr__(self) -> str:
        """Name the class."""
        return f"<class {self.module.name}.{self.qualname}>"


class Mark(NamedTuple):
    """The state of a reading before a statement: all that a frame holds, and how many findings there were."""

    env: dict[str, Value]
    bound: dict[str, ast.AST]
    live: bool
    captured: bool
    global_names: frozenset[str]
    nonlocal_names: frozenset[str]
    yielded: Value
    findings: int


@dataclass(eq=False, slots=True)
class Activation:
    """A function (or a module's top level, or a class body) with certain arguments: what it gives, holds and breaks."""

    module: ModuleInfo
    function: FunctionInfo | None
    arguments: dict[str, Value] = field(default_factory=dict)
    parent: Activation | None = None
    result: Value = NOTHING
    findings: list[Finding] = field(default_factory=list)
    caller: tuple[Activation, ast.AST] | None = None
    running: bool = False
    queued: bool = False
    evaluations: int = 0
    depth: int = 0
    rebound: set[str] = field(default_factory=set)
    """Names of it that functions within it rebind."""
    position: int = 0
    """Which statement of the body is being read, counted from 1; 0 for the parameters, and while it is not read."""
    resume: int = 0
    """Where reading again begins: at the first statement that read something which has grown."""
    marks: list[Mark] = field(default_factory=list)
    """What the names were before each statement, when it was last read."""

    def __repr__(self) -> str:
        """Name what is activated."""
        return f"<activation of {self.function or self.module}>"
