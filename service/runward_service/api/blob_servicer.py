"""BlobService."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from runward.v1 import blobs_pb2, blobs_pb2_grpc
from runward_service.api.call_interceptor import PRINCIPAL, passed_over
from runward_service.api.requests import digest_of, invalid_field
from runward_service.domain.blob_errors import UploadBusy
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.limits import MAX_CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runward_service.api.call_limits import CallLimits
    from runward_service.domain.job import Principal
    from runward_service.execution.blob_transfer import BlobTransfer
    from runward_service.store.uploads import Upload

MAX_DIGESTS = 1000


class BlobServicer(blobs_pb2_grpc.BlobServiceServicer):
    """Converts and delegates; see proto/runward/v1/blobs.proto for what each method does."""

    def __init__(self, transfer: BlobTransfer, limits: CallLimits) -> None:
        """Move blobs, no more at once than the limits allow."""
        self._transfer = transfer
        self._limits = limits

    async def UploadBlob(
        self, request_iterator: AsyncIterator[blobs_pb2.UploadBlobRequest], context: Any
    ) -> blobs_pb2.UploadBlobResponse:
        """Store one blob."""
        first = await anext(request_iterator, None)
        if first is None:
            raise GovernedError(ErrorReason.MALFORMED_REQUEST, "The call has no message.")
        principal, digest, size_bytes = PRINCIPAL.get(), digest_of("digest", first.digest), first.size_bytes
        self._transfer.check_size(size_bytes)
        stored = blobs_pb2.UploadBlobResponse(digest=digest, committed_bytes=size_bytes)
        with self._limits.transfer(principal, size_bytes):
            if await self._transfer.is_kept(principal, digest, size_bytes):
                return stored
            try:
                async with self._transfer.uploading(principal, digest, size_bytes) as upload:
                    return await self._receive(principal, upload, first, request_iterator)
            except UploadBusy:
                await passed_over(request_iterator)
                if await self._transfer.is_kept_soon(principal, digest, size_bytes):
                    return stored  # by the other call
                raise

    async def _receive(
        self,
        principal: Principal,
        upload: Upload,
        first: blobs_pb2.UploadBlobRequest,
        others: AsyncIterator[blobs_pb2.UploadBlobRequest],
    ) -> blobs_pb2.UploadBlobResponse:
        """Take an upload's messages, as many as come, and store the blob when it is whole."""
        end = await append(upload, first, first.offset)
        async for message in others:
            check_same_blob(message, upload)
            end = await append(upload, message, message.offset or end)
        if upload.committed_bytes == upload.size_bytes:
            await self._transfer.complete(principal, upload)
        return blobs_pb2.UploadBlobResponse(digest=upload.digest, committed_bytes=upload.committed_bytes)

    async def FindMissingBlobs(
        self, request: blobs_pb2.FindMissingBlobsRequest, context: Any
    ) -> blobs_pb2.FindMissingBlobsResponse:
        """What has to be uploaded."""
        if len(request.digests) > MAX_DIGESTS:
            raise invalid_field(
                "digests", f"has {len(request.digests)} entries; ask for at most {MAX_DIGESTS} at once."
            )
        digests = [digest_of(f"digests[{place}]", digest) for place, digest in enumerate(request.digests)]
        missing = await self._transfer.missing(PRINCIPAL.get(), digests)
        return blobs_pb2.FindMissingBlobsResponse(missing_digests=missing)

    async def DownloadBlob(self, request: blobs_pb2.DownloadBlobRequest, context: Any) -> AsyncIterator[Any]:
        """One blob's bytes."""
        principal, digest = PRINCIPAL.get(), digest_of("digest", request.digest)
        if request.offset < 0:
            raise invalid_field("offset", "must not be negative.")
        size_bytes = (await self._transfer.found(principal, digest)).size_bytes
        with self._limits.transfer(principal, size_bytes):
            async with aclosing(self._transfer.download(principal, digest, request.offset)) as chunks:
                async for chunk in chunks:
                    yield blobs_pb2.DownloadBlobResponse(data=chunk)


async def append(upload: Upload, message: blobs_pb2.UploadBlobRequest, offset: int) -> int:
    """Add what a message has that is not there yet; where in the blob it ends. Raises GovernedError INVALID_FIELD, or
    OSError.
    """
    data = message.data
    if len(data) > MAX_CHUNK_BYTES:
        raise invalid_field("data", f"has {len(data)} bytes; a chunk has at most {MAX_CHUNK_BYTES}.")
    committed = upload.committed_bytes
    if not 0 <= offset <= committed:
        error = invalid_field("offset", f"must be at most {committed}, for so much of the blob is there.")
        error.details["committed_bytes"] = committed
        raise error
    if offset + len(data) > upload.size_bytes:
        raise invalid_field("data", f"goes beyond the blob's size, {upload.size_bytes} bytes.")
    if offset + len(data) > committed:
        await upload.append(data[committed - offset :])
    return offset + len(data)


def check_same_blob(message: blobs_pb2.UploadBlobRequest, upload: Upload) -> None:
    """Raises GovernedError INVALID_FIELD for a message that names another blob than the first."""
    if message.digest not in {"", upload.digest}:
        raise invalid_field("digest", "must be that of the first message, or empty.")
    if message.size_bytes not in {0, upload.size_bytes}:
        raise invalid_field("size_bytes", "must be that of the first message, or 0.")
