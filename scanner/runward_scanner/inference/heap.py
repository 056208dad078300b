"""What outlives a function's call: attributes, globals, elements, captured names, results.

Each cell holds all that was ever written to it. A cell that grows sends those who read it back to work.
"""

from __future__ import annotations

from runward_scanner.inference.values import (
    COMPUTED_ROLE,
    NOTHING,
    WIDEST,
    Atom,
    Instance,
    Text,
    Value,
    bounded,
    is_inert,
    is_text,
    widened,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Mapping
    from typing import Any

    from runward_scanner.inference.model import Activation, ModuleInfo
    from runward_scanner.inference.part import Part

ANYTHING = "?"
"""The owner of the attributes of what is not known."""
NO_CELLS: Mapping[str, Cell] = {}


class Derived:
    """What was worked out of cells, and who took it from here; it is stale once one of the cells has grown."""

    __slots__ = ("minding", "readers", "stale", "value")

    value: Value
    minding: int
    """The rules that mind it, as bits, where it is an attribute."""
    stale: bool
    readers: list[Part | Derived]


def derived_for(reader: Part | Derived) -> Derived:
    """What is going to be worked out, for its first reader."""
    made = Derived()  # which has no __init__: a call of that takes more than all else here
    made.stale = False
    made.readers = [reader]
    return made


class Cell:
    """All that was written under one name, None where nothing was yet, and the parts of the code that read it."""

    __slots__ = ("origin", "readers", "value")

    value: Value | None
    readers: list[Part | Derived]
    """Those that read it since it last grew, some of them perhaps several times."""
    origin: tuple[ModuleInfo, ast.AST] | None
    """Where something was first written."""


def _is_word(text: str) -> bool:
    """Whether a string may name something, or be a part of such a name."""
    return text.replace(".", "").replace("_", "").isalnum() or not text.strip("._")


def _is_nothing_new(atom: Atom, known: Value) -> bool:
    """Whether who reads a cell learns nothing from an atom beside those that it holds."""
    kind = type(atom)
    if kind is Instance:
        return atom.exact and atom.info.instance <= known  # type: ignore[union-attr]
    if atom is COMPUTED_ROLE or (kind is Text and not atom.text):  # type: ignore[union-attr]
        # Beside no string that is known, this names nothing that could not be named before.
        return bool(known) and not any(map(is_text, known))
    return not _is_word(atom.text) if kind is Text else is_inert(atom)  # type: ignore[union-attr]


class Heap:
    """The cells, by owner (a class, module, activation or container) and name; ``*`` is every name not known."""

    def __init__(self, changed: Callable[[Activation], None]) -> None:
        """Call ``changed`` for each activation that has read a cell which grew."""
        self._owners: dict[Any, dict[str, Cell]] = {}
        self._changed = changed
        self.asked: set[str] = set()
        """The names of attributes that something not known was asked for."""

    def cells_of(self, owner: Any) -> dict[str, Cell]:
        """The cells of an owner, for who reads many of them."""
        cells = self._owners.get(owner)
        if cells is None:
            cells = self._owners[owner] = {}
        return cells

    def names_of(self, owner: Any) -> list[str]:
        """The names under which anything was written, be it nothing."""
        cells = self._owners.get(owner)
        return [name for name, cell in cells.items() if cell.value is not None] if cells else []

    def values_of(self, owner: Any) -> list[Value]:
        """What the cells hold under which anything was written, for who need not know when that grows."""
        return [cell.value for cell in self._owners.get(owner, NO_CELLS).values() if cell.value is not None]

    def read(self, owner: Any, name: str, reader: Activation | None) -> Value:
        """Give all that a cell may hold and note the reader, with the part of its code that is being read."""
        cells = self._owners.get(owner)
        if cells is None:
            cells = self._owners[owner] = {}
        cell = cells.get(name)
        if cell is None:
            if reader is not None:
                cells[name] = cell = Cell()
                cell.value = cell.origin = None
                cell.readers = [reader.part]
            return NOTHING
        if reader is not None:
            cell.readers.append(reader.part)
        return cell.value or NOTHING

    def read_all(self, owner: Any, reader: Activation, but: str = "") -> Value:
        """Give all that the written cells of an owner may hold, those of one name left out, and note the reader."""
        found, part = NOTHING, reader.part
        for name, cell in self._owners.get(owner, NO_CELLS).items():
            value = cell.value
            if value is not None and name != but:
                cell.readers.append(part)
                found = found | value if found else value
        return found

    def read_elements(self, container: Any, reader: Activation, but: str = "") -> Value:
        """Give all that a container may hold, what is at no known place noted though nothing may be there yet."""
        cells, part = self.cells_of(container), reader.part
        cell = cells.get("*")
        if cell is None:
            cell = cells["*"] = Cell()
            cell.value = cell.origin = None
            cell.readers = [part]
        else:
            cell.readers.append(part)
        if len(cells) == 1:
            return cell.value or NOTHING
        return self.read_all(container, reader, but)

    def read_anywhere(self, name: str, reader: Activation) -> Value:
        """Give what was written to an attribute of this name of what is not known; the same with a note of the name."""
        self.asked.add(name)
        return self.read(ANYTHING, name, reader)

    def peek(self, owner: Any, name: str) -> Value:
        """Give all that a cell may hold, for who need not know when that grows."""
        cell = self._owners.get(owner, NO_CELLS).get(name)
        return cell.value or NOTHING if cell is not None else NOTHING

    def is_written(self, owner: Any, name: str) -> bool:
        """Whether anything was written to a cell, be it nothing."""
        cell = self._owners.get(owner, NO_CELLS).get(name)
        return cell is not None and cell.value is not None

    def origin(self, owner: Any, name: str) -> tuple[ModuleInfo, ast.AST] | None:
        """Where something was first written to a cell."""
        cell = self._owners.get(owner, NO_CELLS).get(name)
        return cell.origin if cell is not None else None

    def release(self) -> None:
        """Let go of everything."""
        self._owners.clear()

    def write(self, owner: Any, name: str, value: Value, module: ModuleInfo, site: ast.AST) -> None:
        """Add to what a cell may hold."""
        cells = self._owners.get(owner)
        if cells is None:
            cells = self._owners[owner] = {}
        cell = cells.get(name)
        if cell is None:
            cell = cells[name] = Cell()
            cell.readers = []
            cell.value = value if len(value) <= WIDEST else widened(value)
            cell.origin = (module, site) if value else None
            return
        old = cell.value
        if old is None:
            cell.value = value if len(value) <= WIDEST else widened(value)
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
            for atom in new:
                if not _is_nothing_new(atom, old):
                    break
            else:
                return
        if cell.origin is None:
            cell.origin = module, site
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
            if type(reader) is Derived:
                held, reader.readers = reader.readers, []
                self._tell(held)
            else:
                self._changed(reader.activation)  # type: ignore[union-attr]
