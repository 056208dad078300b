"""What a server says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runward_service.domain.retention_policy import RetentionPolicy


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A running server: its release, the owner id of its jobs, its start (microseconds since 1970), its limits, how
    long it keeps finished jobs and how long at most a caller may have one kept (microseconds).
    """

    version: str
    owner: str
    start_time_us: int
    worker_limit: int
    max_image_bytes: int
    max_result_bytes: int
    retention: RetentionPolicy
    max_retention_us: int
