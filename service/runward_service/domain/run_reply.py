"""What a run's worker answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runward_service.domain.artifact import Artifact


@dataclass(frozen=True, slots=True)
class RunReply:
    """A run's result as the worker encoded it, with its digest and that of the code that made it, and the files that
    the run gave back.
    """

    result: bytes
    output_digest: str
    code_digest: str
    artifacts: tuple[Artifact, ...] = ()
