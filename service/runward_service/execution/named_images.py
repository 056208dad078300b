"""NamedImages: images that requests name by their digests rather than bring along."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runward_service.domain.blob_errors import blob_not_found

if TYPE_CHECKING:
    from runward_service.domain.job import JobRequest
    from runward_service.store.blobs import SqliteBlobs


class NamedImages:
    """The blobs of a caller's tenant, as images of requests."""

    def __init__(self, blobs: SqliteBlobs) -> None:
        """Find images among these blobs."""
        self._blobs = blobs

    def found(self, request: JobRequest) -> JobRequest:
        """A request whose image, where it is named by digest, was found. Raises GovernedError BLOB_NOT_FOUND or
        STORE_UNAVAILABLE.
        """
        if not request.image_digest:
            return request
        found = self._blobs.find(request.principal.tenant, request.image_digest)
        if found is None:
            raise blob_not_found(request.image_digest, request.plugin)
        return replace(request, stored=found)
