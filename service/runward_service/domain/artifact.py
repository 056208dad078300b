"""A file that a run gave back beside its result."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file by content: its name, unique in the job, its digest ("sha256:<hex>"), its size in bytes and its type.

    ``data`` are its bytes as long as they are not stored yet; None where a job is only read, or where the store has
    them already. Artifacts are equal whether the bytes are at hand or not.
    """

    name: str
    digest: str
    size_bytes: int
    mime_type: str
    data: bytes | None = field(default=None, repr=False, compare=False)
