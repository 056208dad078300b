"""What a server says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A running server: its release, the owner id of its jobs, its start (microseconds since 1970) and its limits."""

    version: str
    owner: str
    start_time_us: int
    worker_limit: int
    max_image_bytes: int
    max_result_bytes: int
