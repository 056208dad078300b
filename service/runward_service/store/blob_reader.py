"""A blob's bytes in chunks, read and hashed off the loop, none of them taken for right that are not."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, BinaryIO

from runward_service.domain.blob_errors import blob_corrupted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from runward_service.domain.image import StoredImage

CHUNK_BYTES = 1024 * 1024


async def read_blob(blob: StoredImage, offset: int) -> AsyncGenerator[bytes, None]:
    """The bytes from an offset on. All are read, for their digest is that of all; the last chunk is held back until it
    is known. Raises GovernedError BLOB_CORRUPTED.
    """
    found = hashlib.sha256()
    held = b""
    place = 0
    file = await asyncio.to_thread(opened, blob) if blob.path is not None else None
    try:
        while place < blob.size_bytes:
            data = blob.data[place : place + CHUNK_BYTES] if blob.data is not None else b""
            chunk = await asyncio.to_thread(read_on, file, data, found, blob.digest)
            if not chunk:
                break
            start, place = place, place + len(chunk)
            if place > offset:
                if held:
                    yield held
                held = chunk[max(offset - start, 0) :]
    finally:
        if file is not None:
            file.close()
    if place != blob.size_bytes or f"sha256:{found.hexdigest()}" != blob.digest:
        raise blob_corrupted(blob.digest)
    if held:
        yield held


def opened(blob: StoredImage) -> BinaryIO:
    """The file of a blob. Raises GovernedError BLOB_CORRUPTED where it cannot be read."""
    assert blob.path is not None
    try:
        return blob.path.open("rb")
    except OSError as error:
        raise blob_corrupted(blob.digest) from error


def read_on(file: BinaryIO | None, data: bytes, found: hashlib._Hash, digest: str) -> bytes:
    """The next chunk, of a file or as given, added to the hash. Raises GovernedError BLOB_CORRUPTED."""
    try:
        chunk = file.read(CHUNK_BYTES) if file is not None else data
    except OSError as error:
        raise blob_corrupted(digest) from error
    found.update(chunk)
    return chunk
