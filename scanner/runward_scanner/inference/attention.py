"""Which rules want to be told of a value or a name, worked out once: few values stand in many places.

Rules are bits of a number here, so that what several values call for is put together by ``|``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runward_scanner.inference.values import Value
    from runward_scanner.settings import Settings

Minded: TypeAlias = "Mapping[type, Callable[[Settings, Any], bool]]"
"""Of which kinds of atoms a rule wants to be told, and of which of those; the answer hangs on nothing that changes
while code is read, but for a class's traits."""


class NameAttention(dict[str, int]):
    """The rules that want to be told of a name."""

    def __init__(self, wants: Iterable[tuple[int, Callable[[str], bool]]]) -> None:
        """Take each rule's bit and what it wants."""
        super().__init__()
        self._wants = tuple(wants)

    def __missing__(self, name: str) -> int:
        """Ask the rules of a name."""
        bits = 0
        for bit, wants in self._wants:
            if wants(name):
                bits |= bit
        self[name] = bits
        return bits


class ValueAttention(dict["Value", int]):
    """The rules that want to be told of a value, for one of its atoms."""

    def __init__(self, settings: Settings, minded: Iterable[tuple[int, Minded]]) -> None:
        """Take each rule's bit and what it minds."""
        super().__init__()
        self._settings = settings
        self._kinds: dict[type, list[tuple[int, Callable[[Settings, Any], bool]]]] = {}
        for bit, kinds in minded:
            for kind, wants in kinds.items():
                self._kinds.setdefault(kind, []).append((bit, wants))

    def __missing__(self, value: Value) -> int:
        """Ask the rules of a value."""
        bits = self[value] = self.of(value)
        return bits

    def of(self, value: Value) -> int:
        """Ask the rules of a value that will not be asked for again."""
        bits = 0
        for atom in value:
            minded = self._kinds.get(atom.__class__)
            if minded is not None:
                for bit, wants in minded:
                    if not bits & bit and wants(self._settings, atom):
                        bits |= bit
        return bits


def always(settings: Settings, atom: Any) -> bool:
    """Any atom of a kind."""
    return True
