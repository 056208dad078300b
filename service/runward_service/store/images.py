"""Images by content: small ones in the database, large ones in files."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
from functools import lru_cache
from pathlib import Path

from runward_service.domain.image import StoredImage

INLINE_BYTES = 256 * 1024
"""Images up to this size are hashed at once and stored in the job's own transaction; larger ones go to a file, off the
loop.
"""


def is_large(data: bytes | memoryview) -> bool:
    """Whether an image goes to a file of its own."""
    return is_large_size(len(data))


def is_large_size(size_bytes: int) -> bool:
    """Whether an image of a size goes to a file of its own."""
    return size_bytes > INLINE_BYTES


TEMPORARY = re.compile(r"\.new-(?:(?P<owner>[0-9a-f-]{36})-)?")
"""How the name of a file begins that is being written, and by which process."""


class ImageStore:
    """The folder of large images, one file a digest."""

    def __init__(self, folder: Path, owner: str) -> None:
        """Keep the files below a folder, which exists, as one owner process."""
        self._folder = folder
        self._owner = owner
        self._made: set[Path] = set()
        """Subfolders that are known to be there, on disk too."""

    def path_of(self, digest: str) -> Path:
        """The file of a digest ("sha256:<hex>")."""
        return _file_of(str(self._folder), digest)

    async def read(self, image: StoredImage) -> bytes:
        """The bytes of a stored image. Raises OSError when its file is gone or cannot be read."""
        if image.data is not None:
            return image.data
        return await asyncio.to_thread(self.path_of(image.digest).read_bytes)

    async def sync_removal(self, digest: str) -> None:
        """Put on disk that the file of a digest is gone."""
        if (folder := self.path_of(digest).parent).is_dir():
            await asyncio.to_thread(sync_folder, folder)

    async def put(self, data: bytes | memoryview) -> StoredImage:
        """Take an image in. A large one is on disk, synced, when this returns, so a commit may name it, if it finds the
        file still there. Raises OSError when the disk is full.
        """
        if not is_large(data):
            return StoredImage(f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), data=bytes(data), new=0)
        return await asyncio.to_thread(self._put_file, data)

    def _put_file(self, data: bytes | memoryview) -> StoredImage:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        path = self.path_of(digest)
        written_ns = None
        if not is_whole(path, len(data)):
            self._make_folder_of(path)
            temporary = self._temporary_of(path)
            try:
                written_ns = write_synced(temporary, data)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        # Also where the file was there: whoever put it may not have come so far yet.
        sync_folder(path.parent)
        return StoredImage(digest, len(data), path=path, new=written_ns)

    def adopt(self, source: Path, digest: str, size_bytes: int) -> Path:
        """Make a file with an image's bytes, which are on disk, the file of its digest, unless that is there already.
        It is synced when this returns. Raises OSError.
        """
        path = self.path_of(digest)
        if not is_whole(path, size_bytes):
            self._make_folder_of(path)
            temporary = self._temporary_of(path)
            temporary.hardlink_to(source)
            temporary.replace(path)
            temporary.unlink(missing_ok=True)  # left where both were one file already
        sync_folder(path.parent)
        return path

    def _temporary_of(self, path: Path) -> Path:
        return path.with_name(f".new-{self._owner}-{secrets.token_hex(8)}")

    def _make_folder_of(self, path: Path) -> None:
        if path.parent in self._made and path.parent.is_dir():  # an empty one may be removed by hand
            return
        path.parent.mkdir(mode=0o700, exist_ok=True)
        sync_folder(self._folder)
        self._made.add(path.parent)


@lru_cache(maxsize=256)
def _file_of(folder: str, digest: str) -> Path:
    """Remembered, for an image that is named by its digest is mostly named again."""
    name = digest.removeprefix("sha256:")
    return Path(folder, name[:2], name)


def write_synced(path: Path, data: bytes | memoryview) -> int:
    """Write a new file; its bytes are on disk when this returns. The time when they were written, as the file tells it,
    in nanoseconds since 1970. Raises OSError.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        view, place = memoryview(data), 0
        while place < len(view):
            place += os.pwrite(descriptor, view[place:], place)
        os.fsync(descriptor)
        return os.fstat(descriptor).st_mtime_ns
    finally:
        os.close(descriptor)


def is_whole(path: Path, size_bytes: int) -> bool:
    """Whether there is a file of that size: one that a fault of the disk cut short is written anew."""
    try:
        return path.stat().st_size == size_bytes
    except FileNotFoundError:
        return False


def damaged_path(path: Path) -> Path:
    """Where the damaged file of a digest is put aside; it goes with the digest's last row."""
    return path.with_name(f"{path.name}.damaged")


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on disk: a file's own fsync does not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
