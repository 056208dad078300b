"""Unfinished uploads: a file each, which grows as chunks come, and from which an upload that broke off goes on."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from runward_service.domain.blob_errors import UploadBusy
from runward_service.domain.image import StoredImage
from runward_service.store.images import is_large_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runward_service.store.images import ImageStore

T = TypeVar("T")
PATIENCE_US = 86_400_000_000
"""An upload that nobody has gone on with for so long is given up."""
UNFINISHED_BYTES = 4 * 1024 * 1024 * 1024
"""What unfinished uploads that nobody is at may take together; beyond it the oldest go first."""
READ_BYTES = 1024 * 1024


class UploadMismatch(Exception):  # noqa: N818 - an event more than a fault
    """What was uploaded has another digest."""

    def __init__(self, digest: str) -> None:
        """Name the digest that it has."""
        super().__init__(digest)
        self.digest = digest


class Uploads:
    """The folder of unfinished uploads, shared by all processes on a data folder. Whoever is at one holds its lock."""

    def __init__(self, folder: Path, images: ImageStore) -> None:
        """Keep them in a folder, which exists; those that are whole become files among the images."""
        self._folder = folder
        self._images = images

    async def begin(self, tenant: str, digest: str, size_bytes: int) -> Upload:
        """Begin a tenant's upload of a blob, or go on with it; whoever gets one closes it.

        Raises UploadBusy where another call is at it, OSError where it cannot be written.
        """
        upload = Upload(self._path_of(tenant, digest), digest, size_bytes, self._images)
        try:
            await in_thread(upload.open)
        except BlockingIOError:
            raise UploadBusy from None
        return upload

    def _path_of(self, tenant: str, digest: str) -> Path:
        owner = hashlib.sha256(tenant.encode()).hexdigest()[:16]
        return self._folder / f"{owner}-{digest.removeprefix('sha256:')}"

    async def give_up(self, tenant: str, digest: str) -> None:
        """Remove what there is of a tenant's upload of a blob, unless a call is at it."""
        await asyncio.to_thread(remove_unlocked, self._path_of(tenant, digest))

    async def sweep(self, now: int, patience_us: int = PATIENCE_US, limit_bytes: int = UNFINISHED_BYTES) -> int:
        """Remove the uploads that nobody is at: those not gone on with for ``patience_us`` before ``now`` (microseconds
        since 1970), and the oldest where all of them take more than ``limit_bytes``; how many.
        """
        return await asyncio.to_thread(self._sweep, now - patience_us, limit_bytes)

    def _sweep(self, before_us: int, limit_bytes: int) -> int:
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime_ns // 1000, status.st_size, self._folder / entry.name))
        total = sum(size for _, size, _ in found)
        removed = 0
        for modified_us, size, path in sorted(found):
            if modified_us > before_us and total <= limit_bytes:
                break
            if remove_unlocked(path):
                total -= size
                removed += 1
        return removed


class Upload:
    """One upload, by the call that is at it. Its files are read, written and hashed off the loop."""

    def __init__(self, path: Path, digest: str, size_bytes: int, images: ImageStore) -> None:
        """Prepare the upload of a blob of a digest and size to a file."""
        self.path = path
        self.digest = digest
        self.size_bytes = size_bytes
        self.committed_bytes = 0
        """How many of its first bytes are there."""
        self._images = images
        self._descriptor = -1
        self._hash = hashlib.sha256()

    def open(self) -> None:
        """Take the file, and read what of it is there. Raises BlockingIOError where somebody else is at it."""
        while True:
            descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if same_file(descriptor, self.path):
                    break
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # it was removed before it was locked
        self._descriptor = descriptor
        if os.fstat(descriptor).st_size > self.size_bytes:
            os.ftruncate(descriptor, 0)
        while chunk := os.read(descriptor, READ_BYTES):
            self._hash.update(chunk)
            self.committed_bytes += len(chunk)

    async def append(self, data: bytes) -> None:
        """Write the next bytes. Raises OSError."""
        await in_thread(lambda: self._append(data))

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            # At its place, not at the file's end: what a full disk cut short is written over.
            written = os.pwrite(self._descriptor, view, self.committed_bytes)
            self._hash.update(view[:written])
            self.committed_bytes += written
            view = view[written:]

    async def complete(self) -> StoredImage:
        """The whole blob, its digest verified and a large one's file on disk, so that a commit may name it.

        Raises UploadMismatch, and then nothing is left of it, or OSError.
        """
        return await in_thread(self._complete)

    def _complete(self) -> StoredImage:
        found = f"sha256:{self._hash.hexdigest()}"
        if found != self.digest:
            self.path.unlink(missing_ok=True)
            raise UploadMismatch(found)
        if not is_large_size(self.size_bytes):
            return StoredImage(found, self.size_bytes, data=os.pread(self._descriptor, self.size_bytes, 0))
        os.fsync(self._descriptor)
        path = self._images.adopt(self.path, found, self.size_bytes)
        return StoredImage(found, self.size_bytes, path=path)

    async def forget(self) -> None:
        """Remove what is there: it is stored now, or of no use."""
        await in_thread(lambda: self.path.unlink(missing_ok=True))

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


async def in_thread(work: Callable[[], T]) -> T:
    """Do work in a thread; a cancelled call ends after it, so that no file is closed while a thread is at it."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def same_file(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))  # noqa: PTH116 - of both
    except FileNotFoundError:
        return False


def remove_unlocked(path: Path) -> bool:
    """Remove a file unless somebody is at it; whether it was."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)  # locked: whoever opens it now finds that it has lost it
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
