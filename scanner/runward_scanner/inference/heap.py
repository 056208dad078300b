"""What outlives a function's call: attributes, globals, elements, captured names, results.

Each cell holds all that was ever written to it. A cell that grows sends those who read it back to work.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

from runward_scanner.inference.values import NOTHING, Value, bounded, is_inert, is_prose

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from runward_scanner.inference.model import Activation, ModuleInfo

Key: TypeAlias = tuple[Any, str]
"""The owner (a class, module, activation or container) and a name; ``*`` is every name that is not known."""


ANYTHING = "?"
"""The owner of the attributes of what is not known."""


NOBODY: dict[Activation, int] = {}


class Heap:
    """The cells, who read them, and where each was first written."""

    def __init__(self, changed: Callable[[Activation, int], None]) -> None:
        """Call ``changed`` for each reader of a cell that grew, with the first statement of it that read the cell."""
        self.cells: dict[Key, Value] = {}
        self.names: dict[Any, set[str]] = {}
        self.origins: dict[Key, tuple[ModuleInfo, ast.AST]] = {}
        self._readers: defaultdict[Key, dict[Activation, int]] = defaultdict(dict)
        self._changed = changed
        self.asked: set[str] = set()
        """The names of attributes that something not known was asked for."""

    def read(self, key: Key, reader: Activation | None) -> Value:
        """Give all that the cell may hold and note the reader."""
        if reader is not None:
            readers = self._readers[key]
            position = reader.position
            if readers.get(reader, position) >= position:
                readers[reader] = position
        return self.cells.get(key, NOTHING)

    def read_anywhere(self, name: str, reader: Activation) -> Value:
        """Give what was written to an attribute of this name of what is not known; the same with a note of the name."""
        self.asked.add(name)
        return self.read((ANYTHING, name), reader)

    def release(self) -> None:
        """Let go of everything."""
        for table in (self.cells, self.names, self.origins, self._readers):
            table.clear()

    def write(self, key: Key, value: Value, module: ModuleInfo, site: ast.AST) -> None:
        """Add to what the cell may hold."""
        old = self.cells.get(key)
        if old is None:
            self.cells[key] = bounded(value)
            self.names.setdefault(key[0], set()).add(key[1])
            if not value:
                return
        elif value <= old:
            return
        else:
            grown = bounded(old | value)
            if grown == old:
                return
            self.cells[key] = grown
            if all(is_inert(atom) or is_prose(atom) for atom in value - old):
                return
        self.origins.setdefault(key, (module, site))
        for reader, position in tuple(self._readers.get(key, NOBODY).items()):
            self._changed(reader, position)
