"""What the runtime guard makes of a mutant."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scanner.mutation.mutant import Mutant

Guard: TypeAlias = "Callable[[Mutant], bool | None]"
"""Executes a mutant's bypass (``Mutant.bypass``) and says whether that raised GovernanceViolation; None where it was
not, or cannot be, executed."""


def not_measured(mutant: Mutant) -> bool | None:
    """Execute nothing: a service without a guard."""
    return None


GUARD: Guard = not_measured
"""The guard that the matrix is made with."""
