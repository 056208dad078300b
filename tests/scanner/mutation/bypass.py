"""What the guard can execute of a mutant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Bypass:
    """A mutant's bypass by itself: the source of a module with a function ``bypass(subject, payload, context)`` that
    runs the plugin ``subject``, or ends a job, in the mutant's way. The function may be a coroutine function or give an
    awaitable, a future or a thread.

    ``files`` are further modules of the service that it needs, by path below the package.
    """

    code: str
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for bypasses that are executed alike."""
        return "\0".join([self.code, *(text for item in sorted(self.files.items()) for text in item)])
