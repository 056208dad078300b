"""NamedImages: images that requests name by their digests rather than bring along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_service.domain.blob_errors import blob_not_found

if TYPE_CHECKING:
    from runward_service.domain.image import StoredImage
    from runward_service.domain.job import Job, JobRequest
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
        return request._replace(stored=self._find(request.principal.tenant, request.image_digest, request.plugin))

    def recalled(self, request: JobRequest) -> JobRequest:
        """The same, for a request whose job may be answered with a kept output, which tells by itself that the image is
        there: one that was found before is not looked for again. Otherwise ``confirm`` has to follow.
        """
        if request.image_digest and (image := self._blobs.recalled(request.principal.tenant, request.image_digest)):
            return request._replace(stored=image)
        return self.found(request)

    def confirm(self, job: Job) -> Job:
        """A job whose image, where it was only recalled, was found. Raises as ``found``."""
        if not job.image.recalled:
            return job
        return job._replace(image=self._find(job.tenant, job.image.digest, job.plugin))

    def _find(self, tenant: str, digest: str, plugin: str) -> StoredImage:
        found = self._blobs.find(tenant, digest)
        if found is None:
            raise blob_not_found(digest, plugin)
        return found
