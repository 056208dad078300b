"""JobIntake: requests, validated, as jobs that are not stored yet."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

import uuid_utils

from runward_service.domain.clock import now_us
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import Job, JobMode, JobStatus
from runward_service.execution.terms import checked_retention, checked_timeout
from runward_service.store.images import is_large

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from runward_service.domain.image import StoredImage
    from runward_service.domain.job import JobRequest
    from runward_service.execution.named_images import NamedImages
    from runward_service.execution.whole_images import WholeImages
    from runward_service.store.images import ImageStore

T = TypeVar("T")
logger = logging.getLogger(__name__)


class JobIntake:
    """Makes jobs of what callers ask for, and puts their images where a commit may name them."""

    def __init__(
        self,
        whole_images: WholeImages,
        named_images: NamedImages,
        images: ImageStore,
        owner: str,
        max_retention_us: int,
    ) -> None:
        """Admit requests for one owner process; ``max_retention_us`` is the longest time that a caller may have a job
        kept, in microseconds.
        """
        self._whole_images = whole_images
        self._named_images = named_images
        self._images = images
        self._owner = owner
        self._max_retention_us = max_retention_us

    async def new_jobs(self, requests: Sequence[JobRequest]) -> list[Job | GovernedError]:
        """Each request as a job that is not stored yet, or why it is refused."""
        # Large images go to files side by side. The others suspend nothing, and a task would cost more than they do.
        large = [
            asyncio.ensure_future(or_refusal(self.new_job(request)))
            if request.stored is None and is_large(request.image)
            else None
            for request in requests
        ]
        try:
            return [
                await (task or or_refusal(self.new_job(request))) for request, task in zip(requests, large, strict=True)
            ]
        except BaseException:
            for task in large:
                if task is not None:
                    task.cancel()
            raise

    async def new_job(self, request: JobRequest) -> Job:
        """A request, validated, as a job that is not stored yet, though its image may be. Raises GovernedError."""
        description = await self._whole_images.admit(request)
        timeout_us = checked_timeout(request, description)
        retention_us = checked_retention(request, self._max_retention_us)
        image = request.stored or await self.put(request.image)
        now = now_us()
        return Job(
            id=str(uuid_utils.uuid7()),
            tenant=request.principal.tenant,
            principal=request.principal.name,
            request_id=request.request_id,
            mode=request.mode,
            plugin=description.name,
            plugin_version=description.version,
            status=JobStatus.PENDING,
            image=image,
            mime_type=request.mime_type,
            options=request.options,
            labels=request.labels,
            priority=request.priority,
            timeout_us=timeout_us,
            queue_deadline_us=now + request.queue_timeout_us if request.queue_timeout_us else 0,
            max_attempts=description.max_attempts,
            attempt=0,
            lost_attempts=0,
            owner="" if request.mode is JobMode.ASYNC else self._owner,
            cancel_requested=False,
            create_time_us=now,
            start_time_us=0,
            end_time_us=0,
            revision=0,
            retention_us=retention_us,
            retry_of=request.retry_of,
            skip_cache=request.skip_cache,
        )

    def confirm(self, job: Job) -> Job:
        """A job whose image is there, where that was only recalled. Raises GovernedError as NamedImages.confirm."""
        return self._named_images.confirm(job)

    async def put(self, data: bytes | memoryview) -> StoredImage:
        """Take bytes in. Raises GovernedError STORE_UNAVAILABLE."""
        try:
            return await self._images.put(data)
        except OSError as error:
            logger.exception("an image cannot be stored")
            raise GovernedError(ErrorReason.STORE_UNAVAILABLE, "The image cannot be stored. Try again.") from error


async def or_refusal(call: Awaitable[T]) -> T | GovernedError:
    """What a call answers, or why it is refused."""
    try:
        return await call
    except GovernedError as error:
        return error
