"""A file that a run gave back beside its result."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_ARTIFACTS = 32
"""How many a run may give back."""
MAX_ARTIFACT_BYTES = 32 * 1024 * 1024
"""How large they may be together; they are in the service's memory until they are stored."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
"""A name is a file's name wherever it is saved: no folder, nothing hidden, nothing that a shell takes for more."""
MIME_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\Z")


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


class ArtifactRules:
    """What the artifacts of one run have to keep to, as they come."""

    def __init__(self) -> None:
        """Start without any."""
        self._names: set[str] = set()
        self._total_bytes = 0

    def admit(self, name: object, mime_type: object) -> None:
        """Begin another. Raises ValueError, which says what is wrong, where it is one too many or badly named."""
        if not isinstance(name, str) or not NAME.match(name):
            message = f"an artifact's name is letters, digits, '.', '_' and '-', 100 at most, not {name!r:.120}"
            raise ValueError(message)
        if not isinstance(mime_type, str) or not MIME_TYPE.match(mime_type):
            message = f"an artifact's mime_type is one such as 'image/png', not {mime_type!r:.120}"
            raise ValueError(message)
        # Some file systems take names that differ in their letters' case alone for one.
        if name.lower() in self._names:
            message = f"the run has given an artifact {name!r} already"
            raise ValueError(message)
        if len(self._names) >= MAX_ARTIFACTS:
            message = f"a run gives at most {MAX_ARTIFACTS} artifacts"
            raise ValueError(message)
        self._names.add(name.lower())

    def add_bytes(self, count: int) -> None:
        """Add to their size. Raises ValueError where they are too large together."""
        self._total_bytes += count
        if self._total_bytes > MAX_ARTIFACT_BYTES:
            message = f"the artifacts of a run have at most {MAX_ARTIFACT_BYTES} bytes together"
            raise ValueError(message)
