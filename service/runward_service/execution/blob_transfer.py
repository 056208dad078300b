"""BlobTransfer: what callers can do with blobs: upload them, ask which are missing, download them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from runward_service.domain.blob_errors import BUSY_RETRY_SECONDS, blob_unknown
from runward_service.domain.clock import now_us
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.store.blob_reader import read_blob
from runward_service.store.uploads import UploadMismatch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from runward_service.domain.image import StoredImage
    from runward_service.domain.job import Principal
    from runward_service.store.blobs import SqliteBlobs
    from runward_service.store.damaged_blobs import DamagedBlobs
    from runward_service.store.uploads import Upload, Uploads

LOOKS = 50

logger = logging.getLogger(__name__)


class BlobTransfer:
    """Moves blobs of a caller's tenant in and out."""

    def __init__(
        self, blobs: SqliteBlobs, uploads: Uploads, damaged: DamagedBlobs, max_blob_bytes: int, keep_us: int
    ) -> None:
        """Take blobs of up to ``max_blob_bytes``, and keep them for ``keep_us`` microseconds after their upload where
        no job has them.
        """
        self._blobs = blobs
        self._uploads = uploads
        self._damaged = damaged
        self._max_blob_bytes = max_blob_bytes
        self._keep_us = keep_us

    def check_size(self, size_bytes: int) -> None:
        """Raises GovernedError INVALID_FIELD or IMAGE_TOO_LARGE for a size that no blob may have."""
        if size_bytes < 1:
            message = "size_bytes must be the size of the whole blob, at least 1."
            raise GovernedError(ErrorReason.INVALID_FIELD, message, {"field": "size_bytes"})
        if size_bytes > (limit := self._max_blob_bytes):
            message = f"The blob has {size_bytes} bytes; at most {limit} are taken."
            details = {"size_bytes": size_bytes, "limit_bytes": limit}
            raise GovernedError(ErrorReason.IMAGE_TOO_LARGE, message, details)

    async def is_kept(self, principal: Principal, digest: str, size_bytes: int) -> bool:
        """Whether the caller's tenant has a blob, whole; then it is kept as if it had just been uploaded.

        Raises GovernedError INVALID_FIELD where it has another size, or STORE_UNAVAILABLE.
        """
        found = self._blobs.find(principal.tenant, digest)
        if found is None:
            return False
        if found.size_bytes != size_bytes:
            raise mismatch("size_bytes", f"The blob of this digest has {found.size_bytes} bytes, not {size_bytes}.")
        return await self._blobs.keep(principal.tenant, digest, now_us() + self._keep_us)

    async def is_kept_soon(self, principal: Principal, digest: str, size_bytes: int) -> bool:
        """As ``is_kept``, and for a moment more where it is not: another call, maybe of another process, is at it."""
        for _ in range(LOOKS):
            if await self.is_kept(principal, digest, size_bytes):
                return True
            await asyncio.sleep(BUSY_RETRY_SECONDS / LOOKS)
        return False

    @asynccontextmanager
    async def uploading(self, principal: Principal, digest: str, size_bytes: int) -> AsyncIterator[Upload]:
        """Begin an upload or go on with it. Raises UploadBusy, or GovernedError STORE_UNAVAILABLE where the disk does
        not take it, at any moment of the block.
        """
        try:
            upload = await self._uploads.begin(principal.tenant, digest, size_bytes)
            try:
                yield upload
            finally:
                upload.close()
        except OSError as error:
            logger.exception("an upload cannot be stored")
            raise GovernedError(ErrorReason.STORE_UNAVAILABLE, "The blob cannot be stored. Try again.") from error

    async def complete(self, principal: Principal, upload: Upload) -> None:
        """Store a blob of which everything is there; it is on disk when this returns.

        Raises GovernedError INVALID_FIELD where its bytes do not have its digest, and then nothing is left of it;
        STORE_UNAVAILABLE or OSError.
        """
        try:
            blob = await upload.complete()
        except UploadMismatch as error:
            message = "The bytes have another digest; nothing of them is kept. Upload the blob again from its start."
            raise mismatch("digest", message, actual_digest=error.digest) from None
        await self._blobs.add(principal.tenant, blob, upload.path, now_us() + self._keep_us)
        await upload.forget()

    async def missing(self, principal: Principal, digests: Sequence[str]) -> list[str]:
        """Those of some digests that the caller's tenant lacks, in order."""
        return await self._blobs.missing(principal.tenant, digests)

    async def download(self, principal: Principal, digest: str, offset: int) -> AsyncGenerator[bytes, None]:
        """A blob's bytes from an offset on, in chunks; the last one only once all of them were verified.

        Raises GovernedError BLOB_UNKNOWN, INVALID_FIELD for an offset beyond its end, or BLOB_CORRUPTED.
        """
        blob = await self.found(principal, digest)
        if offset > blob.size_bytes:
            raise mismatch("offset", f"offset must be from 0 to {blob.size_bytes}, the blob's size.")
        try:
            async with aclosing(read_blob(blob, offset)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except GovernedError:
            await self._damaged.examine(digest)
            raise

    async def found(self, principal: Principal, digest: str) -> StoredImage:
        """A blob of the caller's tenant. Raises GovernedError BLOB_UNKNOWN, or STORE_UNAVAILABLE."""
        blob = self._blobs.find(principal.tenant, digest)
        if blob is None:
            await self._damaged.examine(digest)  # an artifact whose bytes are gone stands for no other run from now on
            raise blob_unknown(digest)
        return blob


def mismatch(field: str, message: str, **details: object) -> GovernedError:
    """The refusal of a field that does not go with the blob's bytes."""
    return GovernedError(ErrorReason.INVALID_FIELD, message, {"field": field, **details})
