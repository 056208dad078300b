"""FinishedJobs: what callers can ask of a job that has ended: to delete it, or to run its input once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.image import StoredImage
from runward_service.domain.job import JobMode, JobRequest, JobStatus

if TYPE_CHECKING:
    from runward_service.domain.job import Job, Principal
    from runward_service.store.checkpointer import Checkpointer
    from runward_service.store.images import ImageStore
    from runward_service.store.job_reader import SqliteJobReader
    from runward_service.store.job_removal import SqliteJobRemoval
    from runward_service.store.uploads import Uploads


class FinishedJobs:
    """Deletes finished jobs, and reads their inputs again."""

    def __init__(
        self,
        reader: SqliteJobReader,
        removal: SqliteJobRemoval,
        images: ImageStore,
        uploads: Uploads,
        checkpointer: Checkpointer,
    ) -> None:
        """Read and remove in the given stores."""
        self._uploads = uploads
        self._reader = reader
        self._removal = removal
        self._images = images
        self._checkpointer = checkpointer

    async def delete(self, job_id: str, principal: Principal) -> None:
        """Erase a finished job: when this returns, neither the database nor its log nor the folders of images and
        uploads hold anything of it, but an image or artifact that another job has, and what SQLite may leave of its
        texts (docs/decisions.md). Again it does nothing more.

        Raises GovernedError JOB_NOT_FOUND, JOB_STATUS_CONFLICT for a job that has not ended, or STORE_UNAVAILABLE where
        the erasure could not be completed yet: then call again.
        """
        digests = await self._removal.delete_job(job_id, principal)
        while (await self._removal.remove_files()).more:
            pass
        for digest in digests:
            await self._images.sync_removal(digest)
            await self._uploads.give_up(principal.tenant, digest)
        await self._checkpointer.empty_log()

    async def request_again(self, job_id: str, principal: Principal, request_id: str) -> JobRequest:
        """A failed job's stored input as a new request.

        Raises GovernedError JOB_NOT_FOUND, JOB_STATUS_CONFLICT for a job that is not FAILED, or BLOB_NOT_FOUND where
        its image cannot be read any more.
        """
        job = await self._reader.get_job_with_image(job_id, principal.tenant)
        if job.status is not JobStatus.FAILED:
            message = f"The job is {job.status.name}; only a FAILED one can be retried."
            raise GovernedError(ErrorReason.JOB_STATUS_CONFLICT, message, {"status": job.status.name, "job_id": job.id})
        return JobRequest(
            plugin=job.plugin,
            image=b"",
            stored=self._image_of(job),
            mime_type=job.mime_type,
            options=job.options,
            mode=JobMode.ASYNC,
            principal=principal,
            timeout_us=job.timeout_us,
            queue_timeout_us=job.queue_deadline_us - job.create_time_us if job.queue_deadline_us else 0,
            request_id=request_id,
            priority=job.priority,
            labels=job.labels,
            retention_us=job.retention_us,
            retry_of=job.id,
            skip_cache=job.skip_cache,
        )

    def _image_of(self, job: Job) -> StoredImage:
        image = job.image
        if image.data is not None:
            return image
        path = self._images.path_of(image.digest)
        if not path.exists():
            message = "The job's image is not there any more. Submit it again."
            details = {"digest": image.digest, "job_id": job.id}
            raise GovernedError(ErrorReason.BLOB_NOT_FOUND, message, details, plugin=job.plugin)
        return StoredImage(image.digest, image.size_bytes, path=path)
