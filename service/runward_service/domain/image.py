"""An image that a job runs on."""

from __future__ import annotations

import os
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
    kept: bool = field(default=False, compare=False)
    """Whether its tenant had it stored when it was looked up: then the store keeps it already, unless it was removed
    since.
    """
    recalled: bool = field(default=False, compare=False)
    """Whether it is known from an earlier call alone: its content is what it was, but it may have been removed since.
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
            object.__setattr__(self, "_head", first_bytes(self.path))
        return self._head


def first_bytes(path: Path) -> bytes:
    """The first HEAD_BYTES of a file, without the buffer that a file object would bring. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, HEAD_BYTES)
    finally:
        os.close(descriptor)
