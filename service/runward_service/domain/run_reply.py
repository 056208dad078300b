"""What a run's worker answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunReply:
    """A run's result as the worker encoded it, with its digest and that of the code that made it."""

    result: bytes
    output_digest: str
    code_digest: str
