"""Many images cut into batches that one call each can carry."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runward.errors import RunwardError, ValidationError, error_from_info
from runward.job import Job, error_info_from_proto
from runward.requests import make_run_request
from runward.v1 import jobs_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from runward.image import Image
    from runward.requests import RunTerms

BATCH_REQUESTS = 200
BATCH_BYTES = 16 * 1024 * 1024
"""What one call carries at most, unless a single image is larger."""
BATCH_BESIDE_BYTES = 1536 * 1024
"""What of that may be beside the images: the answer holds it too, and the server takes two mebibytes."""


@dataclass(slots=True)
class Batch:
    """Some of the images, in order: the requests of those that could be read, the errors of the others."""

    message: jobs_pb2.BatchSubmitJobsRequest = field(default_factory=jobs_pb2.BatchSubmitJobsRequest)
    unread: dict[int, RunwardError] = field(default_factory=dict)
    """By place in the batch."""
    images: int = 0
    size_bytes: int = 0
    beside_bytes: int = 0
    """What of the size is not images."""
    digests: list[str] = field(default_factory=list)
    """Those of the images that are large enough to be named by them."""
    by_digest: dict[int, Image] = field(default_factory=dict)
    """The images that are named by their digests alone, by place in the batch."""

    def takes(self, request: jobs_pb2.SubmitJobRequest) -> bool:
        """Tell whether the request of the next image fits; an empty batch takes any."""
        size_bytes = request.ByteSize()
        beside = size_bytes - len(request.payload.image)
        fits = self.size_bytes + size_bytes <= BATCH_BYTES and self.beside_bytes + beside <= BATCH_BESIDE_BYTES
        return fits or not self.size_bytes

    def add(self, request: jobs_pb2.SubmitJobRequest, image: Image, digest: str) -> None:
        """Add the request of the next image, with its digest where that is known."""
        if digest:
            self.digests.append(digest)
        if request.payload.image_digest:
            self.by_digest[self.images] = image
        self.message.requests.append(request)
        self.images += 1
        self.size_bytes += request.ByteSize()
        self.beside_bytes += request.ByteSize() - len(request.payload.image)

    def add_unread(self, error: RunwardError) -> None:
        """Note why the next image is not sent."""
        self.unread[self.images] = error
        self.images += 1

    def answers(self, results: Sequence[jobs_pb2.BatchSubmitJobsResult]) -> list[Job | RunwardError]:
        """Give what came of each image, in order."""
        left = iter(results)
        return [self.unread.get(place) or answer_of(next(left)) for place in range(self.images)]

    def all_failed(self, error: RunwardError) -> list[Job | RunwardError]:
        """Give the answers of a batch whose call failed."""
        return [self.unread.get(place, error) for place in range(self.images)]


async def batches(
    plugin: str,
    images: Iterable[Image],
    terms: RunTerms,
    name_image: Callable[[jobs_pb2.Payload], Awaitable[str]],
    **fields: Any,
) -> AsyncGenerator[Batch, None]:
    """Read the images and yield them in batches. Each request has an id of its own, so that a batch can be sent twice.
    `name_image` puts an image's digest in the place of its bytes where that is better, and gives it where it is known.

    Raises ValidationError where the terms themselves cannot be sent.
    """
    batch = Batch()
    for image in images:
        if batch.images >= BATCH_REQUESTS:
            yield batch
            batch = Batch()
        try:
            request = await make_run_request(jobs_pb2.SubmitJobRequest, plugin, image, terms, **fields)
        except OSError as problem:
            message = f"cannot read {problem.filename or 'the image'}: {problem.strerror or problem}"
            batch.add_unread(ValidationError(message, reason="IMAGE_MISSING"))
            continue
        except ValidationError as error:
            if error.reason not in {"IMAGE_TOO_LARGE", "MIME_TYPE_MISSING"}:  # the terms', so every image's
                raise
            batch.add_unread(error)
            continue
        # What was read from an open file cannot be read again, should the server lack it after all.
        again = isinstance(image, str | os.PathLike | bytes | bytearray | memoryview)
        digest = await name_image(request.payload) if again else ""
        if not batch.takes(request):
            yield batch
            batch = Batch()
        batch.add(request, image, digest)
    if batch.images:
        yield batch


def answer_of(result: jobs_pb2.BatchSubmitJobsResult) -> Job | RunwardError:
    """Give the job of a result, or the error that it was refused with."""
    if result.WhichOneof("outcome") == "job":
        return Job.from_proto(result.job)
    info = error_info_from_proto(result.error.error)
    seconds = info.details.get("retry_seconds")
    return error_from_info(info, retry_after=None if seconds is None else timedelta(seconds=seconds))
