"""What an attempt came to: made by ToolRunner alone, stored by the job store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakSet

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import JobStatus
from runward_service.domain.violation import violation

if TYPE_CHECKING:
    from runward_service.domain.artifact import Artifact
    from runward_service.domain.envelope import ErrorEnvelope
    from runward_service.domain.job import Job

INFRASTRUCTURE_REASONS = frozenset({ErrorReason.WORKER_LOST, ErrorReason.INTERRUPTED})
"""Failures that are nobody's fault and worth another attempt."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Outcome:
    """The end of one attempt of one job: a result (an encoded Struct with its digest) or an envelope, never both.

    ``ran`` tells whether the plugin's run began; ``duration_us`` how long it took, in microseconds; ``retryable`` that
    the plugin's retry policy asks for another attempt; ``artifacts`` are the files that a successful run gave back, in
    its order; ``cached`` tells that the result is that of an equal job, ``cache_key`` under which it is kept for
    further ones, empty where it is not. An outcome equals itself alone, for a copy of one that ToolRunner made is none
    that ToolRunner made.
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

    def __post_init__(self) -> None:
        """Refuse an outcome that is neither or both, or a failure that left artifacts. Raises ValueError."""
        if (self.result is None) == (self.envelope is None) or (self.artifacts and self.envelope is not None):
            message = "an outcome has either a result, with artifacts or without, or an envelope"
            raise ValueError(message)

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


class OutcomeSeal:
    """Tells the outcomes that ToolRunner made from all others: one for a ToolRunner and the store that it works for."""

    def __init__(self) -> None:
        """Know no outcome yet."""
        self._sealed: WeakSet[Outcome] = WeakSet()

    def sealed(self, outcome: Outcome) -> Outcome:
        """The same outcome, which verify takes from now on."""
        self._sealed.add(outcome)
        return outcome

    def verify(self, outcome: Outcome, job: Job) -> None:
        """Raises GovernanceViolation, logged, unless the outcome was sealed here, for this job and its attempt."""
        if outcome not in self._sealed:
            raise violation(f"job {job.id} was to be finished with an outcome that ToolRunner did not make")
        if outcome.job_id != job.id or outcome.attempt != job.attempt:
            made_for = f"attempt {outcome.attempt} of job {outcome.job_id}"
            raise violation(f"attempt {job.attempt} of job {job.id} was to be finished with the outcome of {made_for}")
