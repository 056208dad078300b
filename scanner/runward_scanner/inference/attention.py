"""Which rules want to be told of a value or a name, worked out once: few values stand in many places.

Rules are bits of a number here, so that what several values call for is put together by ``|``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo
    from runward_scanner.inference.values import Value
    from runward_scanner.settings import Settings

    Constructed: TypeAlias = Callable[[Frame, ast.AST, ClassInfo, Arguments], None]

Minded: TypeAlias = "Mapping[type, Callable[[Settings, Any], bool]]"
"""Of which kinds of atoms a rule wants to be told, and of which of those; the answer hangs on nothing that changes
while code is read, but for a class's traits."""


class NameAttention(dict[str, int]):
    """The rules that want to be told of a name."""

    __slots__ = ("_named", "_wants")

    def __init__(
        self, named: Iterable[tuple[int, Iterable[str]]], wants: Iterable[tuple[int, Callable[[str], bool]]]
    ) -> None:
        """Take each rule's bit with the names that it gives, and with what else it wants."""
        super().__init__()
        self._wants = tuple(wants)
        self._named: dict[str, int] = {}
        for bit, names in named:
            for name in names:
                self._named[name] = self._named.get(name, 0) | bit

    def __missing__(self, name: str) -> int:
        """Ask the rules of a name, and remember what they said."""
        bits = self._named.get(name, 0)
        for bit, wants in self._wants:
            if wants(name):
                bits |= bit
        self[name] = bits
        return bits


class ClassAttention(dict["ClassInfo", tuple["Constructed", ...]]):
    """What to tell the rules that want to be told of calls of a class."""

    def __init__(self, wants: Iterable[tuple[Callable[[ClassInfo], bool], Constructed]]) -> None:
        """Take what each rule wants, and how it is told."""
        super().__init__()
        self._wants = tuple(wants)

    def __missing__(self, info: ClassInfo) -> tuple[Constructed, ...]:
        """Ask the rules of a class."""
        found = self[info] = tuple(hook for wants, hook in self._wants if wants(info))
        return found


class ValueAttention(dict["Value", int]):
    """The rules that want to be told of a value, for one of its atoms."""

    __slots__ = ("_kinds", "_settings", "kinds")

    def __init__(self, settings: Settings, minded: Iterable[tuple[int, Minded]]) -> None:
        """Take each rule's bit and what it minds."""
        super().__init__()
        self._settings = settings
        self._kinds: dict[type, tuple[int, list[tuple[int, Callable[[Settings, Any], bool]]]]] = {}
        """By the kind of an atom: the rules that mind any of that kind, and those that want to be asked."""
        for bit, kinds in minded:
            for kind, wants in kinds.items():
                any_of_kind, asked = self._kinds.get(kind, (0, []))
                if wants is always:
                    any_of_kind |= bit
                else:
                    asked.append((bit, wants))
                self._kinds[kind] = any_of_kind, asked
        self.kinds = frozenset(self._kinds)
        """Of which kinds an atom is that any rule may mind."""

    def __missing__(self, value: Value) -> int:
        """Ask the rules of a value, and remember what they said."""
        bits = self[value] = self.of(value)
        return bits

    def of(self, value: Value) -> int:
        """Ask the rules of a value that will not be asked for again."""
        bits, kinds = 0, self._kinds
        for atom in value:
            minded = kinds.get(type(atom))
            if minded is not None:
                any_of_kind, asked = minded
                bits |= any_of_kind
                for bit, wants in asked:
                    if not bits & bit and wants(self._settings, atom):
                        bits |= bit
        return bits


def always(settings: Settings, atom: Any) -> bool:
    """Any atom of a kind."""
    return True
