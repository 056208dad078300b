"""What outlives a function's call: attributes, globals, elements, captured names, results.

Each cell holds all that was ever written to it. A cell that grows sends those who read it back to work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from runward_scanner.inference.values import NOTHING, Atom, Instance, Value, bounded, is_inert, is_prose

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from runward_scanner.inference.model import Activation, ModuleInfo
    from runward_scanner.inference.part import Part

Key: TypeAlias = tuple[Any, str]
"""The owner (a class, module, activation or container) and a name; ``*`` is every name that is not known."""


ANYTHING = "?"
"""The owner of the attributes of what is not known."""


class Derived:
    """What was worked out of cells, and who took it from here; it is stale once one of the cells has grown."""

    __slots__ = ("readers", "stale", "value")

    def __init__(self, reader: Part | Derived) -> None:
        """Let the first reader know of what is read from now on."""
        self.value: Value = NOTHING
        self.stale = False
        self.readers: list[Part | Derived] = [reader]


class Cell:
    """All that was written under one key, None where nothing was yet, and the parts of the code that read it."""

    __slots__ = ("readers", "value")

    def __init__(self) -> None:
        """Nothing is written or read."""
        self.value: Value | None = None
        self.readers: list[Part | Derived] = []
        """Those that read it since it last grew, some of them perhaps several times."""


def _is_nothing_new(atom: Atom, known: Value) -> bool:
    """Whether who reads a cell learns nothing from an atom beside those that it holds."""
    if atom.__class__ is Instance:
        return atom.exact and Instance(atom.info) in known
    return is_inert(atom) or is_prose(atom)


class Heap:
    """The cells, who read them, and where each was first written."""

    def __init__(self, changed: Callable[[Activation], None]) -> None:
        """Call ``changed`` for each activation that has read a cell which grew."""
        self._cells: dict[Key, Cell] = {}
        self.names: dict[Any, set[str]] = {}
        self.origins: dict[Key, tuple[ModuleInfo, ast.AST]] = {}
        self._changed = changed
        self.asked: set[str] = set()
        """The names of attributes that something not known was asked for."""

    def read(self, key: Key, reader: Activation | None) -> Value:
        """Give all that the cell may hold and note the reader, with the part of its code that is being read."""
        cell = self._cells.get(key)
        if cell is None:
            if reader is None:
                return NOTHING
            cell = self._cells[key] = Cell()
        if reader is not None:
            readers, part = cell.readers, reader.part
            if not readers or readers[-1] is not part:
                readers.append(part)
        return cell.value or NOTHING

    def cell(self, key: Key) -> Cell:
        """The cell itself, for who asks for it often."""
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = Cell()
        return cell

    def read_anywhere(self, name: str, reader: Activation) -> Value:
        """Give what was written to an attribute of this name of what is not known; the same with a note of the name."""
        self.asked.add(name)
        return self.read((ANYTHING, name), reader)

    def peek(self, key: Key) -> Value:
        """Give all that the cell may hold, for who need not know when that grows."""
        cell = self._cells.get(key)
        return cell.value or NOTHING if cell is not None else NOTHING

    def is_written(self, key: Key) -> bool:
        """Whether anything was written to the cell, be it nothing."""
        cell = self._cells.get(key)
        return cell is not None and cell.value is not None

    def release(self) -> None:
        """Let go of everything."""
        self._cells.clear()
        self.names.clear()
        self.origins.clear()

    def write(self, key: Key, value: Value, module: ModuleInfo, site: ast.AST) -> None:
        """Add to what the cell may hold."""
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = Cell()
        old = cell.value
        if old is None:
            cell.value = value if len(value) <= 1 else bounded(value)
            self.names.setdefault(key[0], set()).add(key[1])
            if not value:
                return
        elif value is old or value <= old:
            return
        else:
            new = value - old
            grown = bounded(old | new)
            if grown == old:
                return
            cell.value = grown
            if all(_is_nothing_new(atom, old) for atom in new):
                return
        if key not in self.origins:
            self.origins[key] = module, site
        readers = cell.readers
        if readers:
            cell.readers = []  # who is to be read again will ask again
            self._tell(readers)

    def _tell(self, readers: list[Part | Derived]) -> None:
        """Send readers of what has grown back to work."""
        for reader in readers:
            if reader.stale:
                continue
            reader.stale = True
            if reader.__class__ is Derived:
                held, reader.readers = reader.readers, []
                self._tell(held)
            else:
                self._changed(reader.activation)  # type: ignore[union-attr]
