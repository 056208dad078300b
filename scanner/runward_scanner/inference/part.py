"""The parts in which an activation is read: statements that hold no other, and the heads of those that do.

A part that was read is not read again for as long as it would be read the same: the names that it looked up are what
they were, and no cell that it read has grown. What it did to the names is done again then.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence
    from typing import Any

    from runward_scanner.finding import Finding
    from runward_scanner.inference.model import Activation
    from runward_scanner.inference.values import Value


class Part:
    """One part, as it was last read."""

    __slots__ = ("activation", "bound", "findings", "is_kept", "leaves", "looked_up", "result", "stale")

    activation: Activation
    stale: bool
    """Whether a cell that it read has grown since."""
    is_kept: bool
    """Whether reading it changed nothing but what is noted here."""
    looked_up: dict[str, Value | None]
    """What the names were that it looked up; None for one that was not bound in its function."""
    bound: list[tuple[str, Value, ast.AST]]
    """The names that it bound, and where."""
    findings: Sequence[Finding]
    leaves: bool
    """Whether nothing after it is reached."""
    result: Any
    """What it gave, where it is an expression."""

    def reads_the_same(self, env: dict[str, Value]) -> bool:
        """Whether reading it with these names would give what it gave."""
        if self.stale or not self.is_kept:
            return False
        for name, value in self.looked_up.items():
            now = env.get(name)
            if now is not value and now != value:
                return False
        return True
