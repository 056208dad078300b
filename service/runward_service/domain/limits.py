"""Limits on what callers may have under way: all that bounds the service's memory and its queues."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much may wait, in all and for any one plugin: so many entries, with so many bytes of images."""

    count: int
    count_per_plugin: int
    image_bytes: int
    image_bytes_per_plugin: int


WAITING_CALLS = QueueLimits(1000, 500, 256 * MEBIBYTE, 128 * MEBIBYTE)
"""Analyze calls that wait for a worker, by default; their images are held in memory."""
PENDING_JOBS = QueueLimits(100_000, 50_000, 16 * GIBIBYTE, 8 * GIBIBYTE)
"""Stored jobs that wait for a worker, by default; their images are on disk."""
