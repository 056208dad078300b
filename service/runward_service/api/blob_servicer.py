"""BlobService, of a later release."""

from __future__ import annotations

from typing import Any, NoReturn

from runward.v1 import blobs_pb2_grpc
from runward_service.api.execution_servicer import not_implemented


class BlobServicer(blobs_pb2_grpc.BlobServiceServicer):
    """Refuses every method with a typed error."""

    async def UploadBlob(self, request_iterator: Any, context: Any) -> NoReturn:
        """Of a later release."""
        not_implemented("UploadBlob")

    async def FindMissingBlobs(self, request: Any, context: Any) -> NoReturn:
        """Of a later release."""
        not_implemented("FindMissingBlobs")

    def DownloadBlob(self, request: Any, context: Any) -> NoReturn:
        """Of a later release."""
        not_implemented("DownloadBlob")
