"""Several mutants in one copy of the service, each in files of its own, so that one scan serves them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.scanner.mutation.mutant import Mutant
    from tests.scanner.mutation.service_tree import ServiceTree

MOST = 8
"""How many mutants share a scan."""


@dataclass(slots=True)
class Pack:
    """Mutants that change different files."""

    mutants: list[Mutant] = field(default_factory=list)

    @property
    def files(self) -> dict[str, str]:
        """Every changed file."""
        return {path: text for mutant in self.mutants for path, text in mutant.files.items()}

    def takes(self, mutant: Mutant) -> bool:
        """Whether there is room, and no file is changed twice."""
        return len(self.mutants) < MOST and self.files.keys().isdisjoint(mutant.files)

    def unnoticed(self, tree: ServiceTree) -> list[Mutant]:
        """The mutants on which no rule fires: neither in their files of the shared copy, nor in a copy of their own."""
        found = tree.scan(self.files)
        quiet = [mutant for mutant in self.mutants if found.keys().isdisjoint(mutant.files)]
        return [mutant for mutant in quiet if not tree.rules(mutant.files)]


def packed(mutants: Iterable[Mutant]) -> Sequence[Pack]:
    """Put each mutant into the first pack that takes it."""
    packs: list[Pack] = []
    for mutant in mutants:
        for pack in packs:
            if pack.takes(mutant):
                pack.mutants.append(mutant)
                break
        else:
            packs.append(Pack([mutant]))
    return packs
