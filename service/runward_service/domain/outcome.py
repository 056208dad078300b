"""What an attempt came to: made by ToolRunner alone, stored by the job store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import JobStatus

if TYPE_CHECKING:
    from runward_service.domain.envelope import ErrorEnvelope

INFRASTRUCTURE_REASONS = frozenset({ErrorReason.WORKER_LOST, ErrorReason.INTERRUPTED})
"""Failures that are nobody's fault and worth another attempt."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt: a result (an encoded Struct with its digest) or an envelope, never both.

    ``ran`` tells whether the plugin's run began; ``duration_us`` how long it took, in microseconds.
    """

    plugin: str
    end_time_us: int
    duration_us: int
    ran: bool
    result: bytes | None = None
    output_digest: str = ""
    envelope: ErrorEnvelope | None = None

    def __post_init__(self) -> None:
        """Refuse an outcome that is neither or both. Raises ValueError."""
        if (self.result is None) == (self.envelope is None):
            message = "an outcome has either a result or an envelope"
            raise ValueError(message)

    @property
    def status(self) -> JobStatus:
        """The terminal status that this outcome gives its job."""
        return JobStatus.FAILED if self.envelope else JobStatus.SUCCESS

    @property
    def lost(self) -> bool:
        """Whether the attempt was lost to the infrastructure, so that another may be made."""
        return self.envelope is not None and self.envelope.reason in INFRASTRUCTURE_REASONS
