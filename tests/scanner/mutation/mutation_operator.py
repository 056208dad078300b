"""One way of changing the service, applied at several places."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tests.scanner.mutation.mutant import Mutant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.scanner.mutation.bypass import Bypass
    from tests.scanner.mutation.draft import Draft
    from tests.scanner.mutation.service_source import ServiceSource

Change: TypeAlias = "tuple[str, Draft] | tuple[str, Draft, Draft]"
"""A site's name and the changed file, or the two changed files."""


@dataclass(frozen=True, slots=True)
class Operator:
    """A named change. ``rule`` is expected to notice it; empty for one that breaks no rule.

    ``bypasses`` are what the guard can execute: by the name of a site, or by its part before a comma.
    """

    name: str
    rule: str
    about: str
    changes: Callable[[ServiceSource], Iterable[Change]] = field(repr=False)
    bypasses: Mapping[str, Bypass] = field(default_factory=dict, repr=False)

    def mutants(self, source: ServiceSource) -> list[Mutant]:
        """Every mutant of the operator; those at sites of the same name are numbered."""
        seen: Counter[str] = Counter()
        made = []
        for site, *drafts in self.changes(source):
            seen[site] += 1
            name = f"{site} ({seen[site]})" if seen[site] > 1 else site
            files = {draft.path: draft.text for draft in drafts}
            bypass = self.bypasses.get(site) or self.bypasses.get(site.partition(",")[0])
            made.append(Mutant(self.name, name, self.rule, files, bypass))
        return made
