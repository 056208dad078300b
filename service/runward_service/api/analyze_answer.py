"""AnalyzeAnswer: what Analyze answers, encoded while the job's end is still on its way to the disk."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runward.v1 import jobs_pb2
from runward_service.api.conversion import fill_without_result
from runward_service.api.inline_image import LEN, VARINT, varint

if TYPE_CHECKING:
    from runward_service.domain.job import Job

JOB_TAG = varint(jobs_pb2.AnalyzeResponse.JOB_FIELD_NUMBER << 3 | LEN)
RESULT_TAG = varint(jobs_pb2.Job.RESULT_FIELD_NUMBER << 3 | LEN)
REVISION_TAG = varint(jobs_pb2.Job.REVISION_FIELD_NUMBER << 3 | VARINT)

logger = logging.getLogger(__name__)


class AnalyzeAnswer:
    """The AnalyzeResponse of one call. Only the revision, which a commit gives, is added in the end; the result, which
    may be large, goes in as it was encoded before.
    """

    def __init__(self) -> None:
        """Start without a job."""
        self._job: Job | None = None
        self._parts: list[bytes] = []

    def prepare(self, job: Job) -> None:
        """Encode a job as it will be, but for its revision, once its end is stored. What cannot be encoded is told by
        ``encoded``, when the job has ended.
        """
        try:
            self._encode(job)
        except Exception:
            logger.exception("the answer for job %s cannot be prepared", job.id)

    def encoded(self, job: Job) -> bytes:
        """The answer for a job that has ended SUCCESS: what was prepared, where that is the same job."""
        unstored = job._replace(revision=0)
        if unstored != self._job:
            self._encode(unstored)
        parts = (*self._parts, REVISION_TAG, varint(job.revision))
        return b"".join((JOB_TAG, varint(sum(map(len, parts))), *parts))

    def _encode(self, job: Job) -> None:
        message = jobs_pb2.Job()
        fill_without_result(message, job)
        self._parts = [message.SerializeToString()]
        if job.result is not None:
            self._parts += (RESULT_TAG, varint(len(job.result)), job.result)
        self._job = job
