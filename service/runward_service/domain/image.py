"""An image that a job runs on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 64
"""How many first bytes tell an image's type."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image by content: its digest ("sha256:<hex>") and size in bytes, and where its bytes are.

    ``data`` holds a small image's bytes, ``path`` names a large one's file; both are absent where a job is only read.
    """

    digest: str
    size_bytes: int
    data: bytes | None = None
    path: Path | None = None
    new: int | None = field(default=None, compare=False)
    """Not None where this process has just hashed these bytes and holds them, or has just written them to their file:
    then the time of that, as the file tells it, in nanoseconds since 1970; 0 for bytes that are held.
    """
    _head: bytes = field(default=b"", init=False, repr=False, compare=False)
    """The first bytes, once they were read from the file: they are looked at more than once."""

    def head(self) -> bytes:
        """The first bytes, enough to tell the type. Raises OSError when the file cannot be read."""
        if self.data is not None:
            return self.data[:HEAD_BYTES]
        if self.path is None:
            return b""
        if not self._head:
            with self.path.open("rb") as file:
                object.__setattr__(self, "_head", file.read(HEAD_BYTES))
        return self._head
