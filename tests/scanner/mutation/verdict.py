"""What became of a mutant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.scanner.mutation.guard import GUARD

if TYPE_CHECKING:
    from tests.scanner.mutation.guard import Guard
    from tests.scanner.mutation.mutant import Mutant
    from tests.scanner.mutation.service_tree import ServiceTree


@dataclass(frozen=True, slots=True)
class Verdict:
    """The rules that fired on a mutant, and whether the guard stopped it (None: not measured)."""

    mutant: Mutant
    rules: tuple[str, ...]
    guard: bool | None

    @property
    def by_scanner(self) -> bool:
        """Whether the scanner killed it, by whatever rule."""
        return bool(self.rules)

    @property
    def by_its_rule(self) -> bool:
        """Whether the rule that is meant for it fired."""
        return self.mutant.rule in self.rules

    @property
    def killed(self) -> bool:
        """Whether anything killed it."""
        return self.by_scanner or self.guard is True


def judge(mutant: Mutant, tree: ServiceTree, guard: Guard = GUARD) -> Verdict:
    """Scan a mutant and let the guard try it."""
    return Verdict(mutant, tree.rules(mutant.files), guard(mutant))
