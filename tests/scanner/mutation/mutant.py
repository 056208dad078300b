"""One changed service: what was changed where, and which rule is expected to notice."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.scanner.mutation.bypass import Bypass
    from tests.scanner.mutation.service_source import ServiceSource


@dataclass(frozen=True, slots=True)
class Mutant:
    """The service with some files changed or added.

    ``files`` holds the new text of each, by path below the package. ``rule`` is the rule that should notice; empty for
    a change that breaks none. ``bypass`` is what the guard can execute; None where the change cannot be executed by
    itself.
    """

    operator: str
    site: str
    rule: str
    files: Mapping[str, str] = field(repr=False)
    bypass: Bypass | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The name by which documents and tests know the mutant."""
        return f"{self.operator} @ {self.site}"

    def diff(self, source: ServiceSource) -> str:
        """The change as a unified diff without context beyond one line."""
        parts: list[str] = []
        for path, text in sorted(self.files.items()):
            before = source.files.get(path, "").splitlines(keepends=True)
            parts.extend(difflib.unified_diff(before, text.splitlines(keepends=True), path, path, n=1))
        return "".join(parts)

    def compile(self) -> None:
        """Compile every changed file. Raises SyntaxError."""
        for path, text in self.files.items():
            compile(text, path, "exec", dont_inherit=True)
