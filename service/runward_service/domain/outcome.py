"""What an attempt came to: made by ToolRunner alone, stored by the job store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import JobStatus

if TYPE_CHECKING:
    from runward_service.domain.artifact import Artifact
    from runward_service.domain.envelope import ErrorEnvelope
    from runward_service.domain.receipt import Receipt

INFRASTRUCTURE_REASONS = frozenset({ErrorReason.WORKER_LOST, ErrorReason.INTERRUPTED})
"""Failures that are nobody's fault and worth another attempt."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Outcome:
    """The end of one attempt of one job: a result (an encoded Struct with its digest) or an envelope, never both.

    ``ran`` tells whether the plugin's run began; ``duration_us`` how long it took, in microseconds; ``retryable`` that
    the plugin's retry policy asks for another attempt; ``artifacts`` are the files that a successful run gave back, in
    its order; ``cached`` tells that the result is that of an equal job, ``cache_key`` under which it is kept for
    further ones, empty where it is not; ``code_digest`` is that of the code that ran or gave the kept result, empty
    where none did; ``receipt`` is what ToolRunner signs all this with. An outcome equals itself alone.
    """

    job_id: str
    attempt: int
    plugin: str
    end_time_us: int
    duration_us: int
    ran: bool
    result: bytes | None = None
    output_digest: str = ""
    envelope: ErrorEnvelope | None = None
    retryable: bool = False
    artifacts: tuple[Artifact, ...] = ()
    cached: bool = False
    cache_key: bytes = b""
    code_digest: str = ""
    receipt: Receipt | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse an outcome that is neither or both, or a failure that left artifacts. Raises ValueError."""
        if (self.result is None) == (self.envelope is None) or (self.artifacts and self.envelope is not None):
            message = "an outcome has either a result, with artifacts or without, or an envelope"
            raise ValueError(message)

    def accept(self, receipt: Receipt) -> None:
        """Take the receipt that was made for this outcome. Raises ValueError where it has one."""
        if self.receipt is not None:
            message = "an outcome is signed once"
            raise ValueError(message)
        object.__setattr__(self, "receipt", receipt)

    @property
    def status(self) -> JobStatus:
        """The terminal status that this outcome gives its job."""
        return JobStatus.FAILED if self.envelope else JobStatus.SUCCESS

    @property
    def repeatable(self) -> bool:
        """Whether another attempt may be made: this one was lost to the infrastructure, or failed in a way that the
        plugin's retry policy names.
        """
        return self.retryable or (self.envelope is not None and self.envelope.reason in INFRASTRUCTURE_REASONS)
