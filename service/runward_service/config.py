"""The settings of a server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from runward_service.domain.limits import (
    MAX_BLOB_BYTES,
    PENDING_JOBS,
    WAITING_CALLS,
    CacheLimits,
    CallBounds,
    QueueLimits,
)
from runward_service.domain.retention_policy import DAY_US, RetentionPolicy


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set. Times are in seconds.

    ``listen`` is "HOST:PORT" (port 0 picks a free one) or "unix:PATH"; ``workers`` how many runs at once over all
    plugins; ``worker_variables`` names the environment variables that workers get beside those that all need;
    ``plugins`` are "module:Class"; ``discover`` also loads those that installed distributions offer; ``grace``
    is how long a stop waits for running jobs; ``waiting_calls`` bounds the Analyze calls that wait for a worker,
    ``pending_jobs`` the stored jobs that do, ``calls`` the calls and streams under way, ``cache`` the outputs kept for
    equal jobs; ``verify_sample`` is the fraction of successful jobs that are verified by the way; ``retention`` how
    long finished jobs are kept, ``max_retention_us`` the longest time, in microseconds, that a caller may have one
    kept; ``max_blob_bytes`` is the largest blob that may be uploaded, ``retain_uploads_us`` how long, in microseconds,
    one is kept that no job has; ``receipt_key`` the file of the keys of receipts, None for the user's own.
    """

    listen: str = "127.0.0.1:50051"
    data_dir: Path = Path("runward-data")
    workers: int = os.cpu_count() or 1
    worker_variables: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    discover: bool = True
    grace: float = 30.0
    waiting_calls: QueueLimits = WAITING_CALLS
    pending_jobs: QueueLimits = PENDING_JOBS
    calls: CallBounds = CallBounds()  # noqa: RUF009 - frozen
    verify_sample: float = 0.0
    cache: CacheLimits = CacheLimits()  # noqa: RUF009 - frozen
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    max_retention_us: int = 30 * DAY_US
    max_blob_bytes: int = MAX_BLOB_BYTES
    retain_uploads_us: int = DAY_US
    lifeline: int = -1
    receipt_key: Path | None = None
