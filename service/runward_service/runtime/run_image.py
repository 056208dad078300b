"""The image of a run on the worker's side: read, and verified where a disk may have changed it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from runward_service.domain.blob_errors import blob_corrupted

if TYPE_CHECKING:
    from collections.abc import Mapping

PIECE_BYTES = 256 * 1024


def run_image(meta: Mapping[str, Any], body: bytes) -> bytes:
    """The image of a run, as sent or from its file. Raises GovernedError BLOB_CORRUPTED where it is not that of its
    digest: the disk may have changed it since it was stored.

    What the service has just hashed is not hashed again as long as it comes from memory: bytes that it sent, or a file
    that it wrote for this run, that nobody has written to since, and of which no byte has to be read from the disk.
    """
    digest: str = meta["digest"]
    if "path" not in meta:
        image, known = body, "new" in meta
    else:
        try:
            image, known = file_image(meta["path"], meta.get("new"))
        except OSError as error:
            raise blob_corrupted(digest) from error
    if not known and f"sha256:{hashlib.sha256(image).hexdigest()}" != digest:
        raise blob_corrupted(digest)
    return image


def file_image(path: str, written_ns: int | None) -> tuple[bytes, bool]:
    """The bytes of a file, and whether they are what was written at a time, from memory. Raises OSError.

    A file that was written for this run will hardly be read again, and does not stay in memory: the next one takes its
    pages.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - of a descriptor
        status = os.fstat(descriptor)
        known = written_ns == status.st_mtime_ns and in_memory(descriptor, status.st_size)
        image = file.readall()
        if written_ns is not None:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return image, known


def in_memory(descriptor: int, size_bytes: int) -> bool:
    """Whether all of a file can be read without its disk; False also where the file system does not tell."""
    piece = bytearray(PIECE_BYTES)
    place = 0
    try:
        while place < size_bytes:
            read = os.preadv(descriptor, [piece], place, os.RWF_NOWAIT)
            if not read:
                return False
            place += read
    except OSError:
        return False
    return True
