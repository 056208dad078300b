"""A source file under change: places are found in its syntax tree, changes are made in its text."""

from __future__ import annotations

import ast
import textwrap
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FUTURE = "from __future__ import annotations\n"
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class LostSiteError(Exception):
    """The service no longer has the place that an operator changes: the operator needs a new one."""


class Draft:
    """One version of a file; every change gives a new draft."""

    def __init__(self, path: str, text: str) -> None:
        """Hold the path below the package and the text."""
        self.path = path
        self.text = text

    @classmethod
    def of(cls, path: str, files: Mapping[str, str]) -> Draft:
        """The draft of one of some files. Raises LostSiteError."""
        if path not in files:
            raise LostSiteError(path)
        return cls(path, files[path])

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of this version."""
        return ast.parse(self.text)

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.splitlines(keepends=True)

    # -- finding ------------------------------------------------------------------------------------------------------

    def function(self, qualified: str) -> Function:
        """A function by its name, ``Class.method`` for a method. Raises LostSiteError."""
        found = self._member(qualified)
        if isinstance(found, Function):
            return found
        raise LostSiteError(f"{self.path}: {qualified}")

    def klass(self, name: str) -> ast.ClassDef:
        """A class by its name. Raises LostSiteError."""
        found = self._member(name)
        if isinstance(found, ast.ClassDef):
            return found
        raise LostSiteError(f"{self.path}: {name}")

    def _member(self, qualified: str) -> ast.AST:
        node: ast.AST = self.tree
        for part in qualified.split("."):
            body = getattr(node, "body", [])
            inner = [item for item in body if isinstance(item, (Function, ast.ClassDef)) and item.name == part]
            if not inner:
                raise LostSiteError(f"{self.path}: {qualified}")
            node = inner[0]
        return node

    def one(self, within: ast.AST, accept: Callable[[ast.AST], bool], what: str) -> ast.AST:
        """The first node below another that is accepted. Raises LostSiteError."""
        for node in ast.walk(within):
            if accept(node):
                return node
        raise LostSiteError(f"{self.path}: {what}")

    def statement(self, within: ast.AST, written: str) -> ast.stmt:
        """The innermost statement, not a compound one, whose text contains something. Raises LostSiteError."""
        for node in ast.walk(within):
            if isinstance(node, ast.stmt) and not hasattr(node, "body") and written in self.segment(node):
                return node
        raise LostSiteError(f"{self.path}: {written}")

    def calls(self, names: frozenset[str]) -> Iterator[tuple[ast.stmt, ast.Call]]:
        """The calls of functions whose written name is one of some, each with its simple statement."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt) and not hasattr(node, "body"):
                for item in ast.walk(node):
                    if isinstance(item, ast.Call) and ast.unparse(item.func) in names:
                        yield node, item

    def owner(self, node: ast.AST) -> str:
        """The qualified name of the function or class that a node stands in; empty at module level."""
        line = getattr(node, "lineno", 0)
        names: list[str] = []
        body: list[ast.stmt] = self.tree.body
        while True:
            around = [
                item
                for item in body
                if isinstance(item, (Function, ast.ClassDef)) and item.lineno <= line <= (item.end_lineno or 0)
            ]
            if not around:
                return ".".join(names)
            names.append(around[0].name)
            body = around[0].body

    def segment(self, node: ast.AST) -> str:
        """A node's text."""
        return ast.get_source_segment(self.text, node) or ""

    # -- changing -----------------------------------------------------------------------------------------------------

    def replaced(self, node: ast.AST, code: str) -> Draft:
        """Another expression in place of one."""
        start, end = self._span(node)
        return self._with(self.text[:start] + code + self.text[end:])

    def substituted(self, within: ast.AST, old: str, new: str) -> Draft:
        """Other text in place of the first of some below a node. Raises LostSiteError."""
        start, end = self._span(within)
        at = self.text.find(old, start, end)
        if at < 0:
            raise LostSiteError(f"{self.path}: {old}")
        return self._with(self.text[:at] + new + self.text[at + len(old) :])

    def exchanged(self, statement: ast.stmt, code: str, last: ast.stmt | None = None) -> Draft:
        """Other statements in place of one, or of all from one to the last."""
        return self._lines_replaced(statement.lineno - 1, (last or statement).end_lineno or 0, statement, code)

    def before(self, statement: ast.stmt, code: str) -> Draft:
        """Statements before one."""
        return self._lines_replaced(statement.lineno - 1, statement.lineno - 1, statement, code)

    def after(self, statement: ast.stmt, code: str) -> Draft:
        """Statements after one."""
        end = statement.end_lineno or 0
        return self._lines_replaced(end, end, statement, code)

    def begun(self, qualified: str, code: str) -> Draft:
        """Statements at the beginning of a function's body, after its docstring."""
        body = self.function(qualified).body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            return self.after(body[0], code)
        return self.before(body[0], code)

    def emptied(self, qualified: str, code: str = "return") -> Draft:
        """A function with other statements in place of its own; its docstring stays."""
        body = self.function(qualified).body
        has_text = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        if has_text and len(body) == 1:
            return self.after(body[0], code)
        return self.exchanged(body[1 if has_text else 0], code, body[-1])

    def extended(self, code: str) -> Draft:
        """More definitions at the end of the module."""
        return self._with(f"{self.text}\n\n{textwrap.dedent(code).strip()}\n") if code else self

    def importing(self, code: str) -> Draft:
        """More imports at the beginning of the module."""
        if not code:
            return self
        at = self.text.find(FUTURE)
        if at < 0:
            raise LostSiteError(f"{self.path}: {FUTURE}")
        at += len(FUTURE)
        return self._with(f"{self.text[:at]}{textwrap.dedent(code).strip()}\n{self.text[at:]}")

    def _with(self, text: str) -> Draft:
        return Draft(self.path, text)

    def _lines_replaced(self, start: int, end: int, like: ast.stmt, code: str) -> Draft:
        new = textwrap.indent(textwrap.dedent(code).strip("\n"), " " * like.col_offset)
        return self._with("".join([*self._lines[:start], f"{new}\n", *self._lines[end:]]))

    def _span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, (ast.stmt, ast.expr, ast.excepthandler))
        first, last = node.lineno - 1, (node.end_lineno or 0) - 1
        start = len("".join(self._lines[:first])) + self._characters(first, node.col_offset)
        return start, len("".join(self._lines[:last])) + self._characters(last, node.end_col_offset or 0)

    def _characters(self, line: int, offset: int) -> int:
        """A column of the syntax tree, which counts bytes, in characters."""
        return len(self._lines[line].encode()[:offset].decode())
