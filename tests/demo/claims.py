"""What the demo claims to have shown, each claim checked against what really came back."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.text import Text


@dataclass(slots=True)
class Claims:
    """The claims so far: what is claimed, and where it does not hold, what was found instead."""

    kept: list[str] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)

    def check(self, claim: str, *, holds: bool, found: object = "") -> None:
        """Note whether a claim holds."""
        if holds:
            self.kept.append(claim)
        else:
            self.broken.append((claim, str(found)))

    def equal(self, claim: str, found: object, expected: object) -> None:
        """Note whether what was found is what was expected."""
        self.check(claim, holds=found == expected, found=f"{found!r} instead of {expected!r}")

    def render(self) -> Text:
        """Give the claims, one a line, with what was found instead where one does not hold."""
        lines = [Text.assemble(("  ✓ ", "bold green"), claim) for claim in self.kept]
        lines += [Text.assemble(("  ✗ ", "bold red"), claim, (f": {found}", "red")) for claim, found in self.broken]
        return Text("\n").join(lines)
