"""Limits on what callers may have under way: all that bounds the service's memory and its queues."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE
MAX_MESSAGE_BYTES = 65 * MEBIBYTE
"""An image of the largest size and what comes with it."""
MAX_BLOB_BYTES = 64 * MEBIBYTE
"""The largest blob that may be uploaded, by default: as large as an image may be."""
MAX_CHUNK_BYTES = MEBIBYTE
"""The largest chunk of an upload."""
MAX_METADATA_BYTES = 16 * 1024
"""What a call may carry beside its message."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much may wait, in all and for any one plugin: so many entries, with so many bytes of images."""

    count: int
    count_per_plugin: int
    image_bytes: int
    image_bytes_per_plugin: int


@dataclass(frozen=True, slots=True)
class CallBounds:
    """How much may be under way at once: unary calls, streams in all and of one caller, bytes of requests; uploads and
    downloads of blobs in all and of one caller, and how large the blobs may be together.
    """

    calls: int = 2000
    watches: int = 10_000
    watches_per_caller: int = 8000
    request_bytes: int = 2 * GIBIBYTE
    transfers: int = 32
    transfers_per_caller: int = 16
    transfer_bytes: int = 2 * GIBIBYTE


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How many outputs are kept for equal jobs, and how large they may be together, in bytes; 0 of either: none are."""

    entries: int = 100_000
    size_bytes: int = GIBIBYTE

    @property
    def enabled(self) -> bool:
        """Whether any may be kept."""
        return self.entries > 0 and self.size_bytes > 0


WAITING_CALLS = QueueLimits(1000, 500, GIBIBYTE, 512 * MEBIBYTE)
"""Analyze calls that wait for a worker, by default; small images wait in memory, larger ones in files."""
PENDING_JOBS = QueueLimits(100_000, 50_000, 16 * GIBIBYTE, 8 * GIBIBYTE)
"""Stored jobs that wait for a worker, by default; their images are on disk."""
