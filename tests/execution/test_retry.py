"""RetryJob: a failed job's stored input as a new job."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobMode, Principal
from runward_service.store.images import INLINE_BYTES
from tests.harness.service import PNG, analyze, ended, refusal, submit

if TYPE_CHECKING:
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Fails", "Noop")
FAIL = {"how": "plugin_error"}


@pytest.mark.parametrize("image", [PNG, PNG + os.urandom(INLINE_BYTES)], ids=["small", "large"])
async def test_a_retry_has_the_input_of_the_failed_job(service: Service, image: bytes) -> None:
    """Plugin, image, options, labels, priority, timeouts and retention are those of the failed job; the rest is new."""
    failed = await submit(
        service, "fails", FAIL, image=image, labels={"a": "b"}, priority=7, timeout_us=3_000_000,
        queue_timeout_us=50_000_000, retention_us=60_000_000, request_id=f"first {len(image)}",
    )  # fmt: skip
    failed = await ended(service, failed.id)
    again = await service.analysis.retry(failed.id, ANONYMOUS, "")
    assert again.id != failed.id
    assert (again.retry_of, again.request_id, again.attempt, again.mode) == (failed.id, "", 0, JobMode.ASYNC)
    for field in ("plugin", "mime_type", "options", "labels", "priority", "timeout_us", "retention_us"):
        assert getattr(again, field) == getattr(failed, field), field
    assert again.image.digest == failed.image.digest
    assert again.queue_deadline_us - again.create_time_us == 50_000_000
    assert (await ended(service, again.id)).error is not None
    assert await service.analysis.get_job(failed.id, ANONYMOUS) == failed


async def test_a_failed_analysis_is_retried_as_a_stored_job(service: Service) -> None:
    """The caller of an Analyze that failed can have it run again without sending the image again."""
    failed = await analyze(service, "fails", FAIL)
    again = await service.analysis.retry(failed.id, ANONYMOUS, "")
    assert (failed.mode, again.mode) == (JobMode.SYNC, JobMode.ASYNC)
    await ended(service, again.id)


async def test_a_request_id_makes_a_retry_safe_to_repeat(service: Service) -> None:
    """The same retry again gives the same job; the id with another job's retry, or with a submit, is refused."""
    failed, other = [await analyze(service, "fails", FAIL) for _ in range(2)]
    first = await service.analysis.retry(failed.id, ANONYMOUS, "retry-1")
    assert (await service.analysis.retry(failed.id, ANONYMOUS, "retry-1")).id == first.id
    error = await refusal(service.analysis.retry(other.id, ANONYMOUS, "retry-1"))
    assert error.reason is ErrorReason.REQUEST_ID_REUSED
    assert (await refusal(submit(service, "fails", FAIL, request_id="retry-1"))).reason is ErrorReason.REQUEST_ID_REUSED
    await ended(service, first.id)


async def test_only_failed_jobs_are_retried(service: Service) -> None:
    """A job that ended SUCCESS is refused, one that is not there or another tenant's is not found."""
    job = await analyze(service, "noop")
    error = await refusal(service.analysis.retry(job.id, ANONYMOUS, ""))
    assert (error.reason, error.details["status"]) == (ErrorReason.JOB_STATUS_CONFLICT, "SUCCESS")
    failed = await analyze(service, "fails", FAIL)
    for job_id, principal in (("0" * 36, ANONYMOUS), (failed.id, Principal("anonymous", "other"))):
        error = await refusal(service.analysis.retry(job_id, principal, ""))
        assert error.reason is ErrorReason.JOB_NOT_FOUND


async def test_an_image_that_is_gone(service: Service) -> None:
    """Where somebody removed the image's file, a retry says so and stores nothing."""
    failed = await analyze(service, "fails", FAIL, image=PNG + os.urandom(INLINE_BYTES))
    file = service.database.images / failed.image.digest[7:9] / failed.image.digest[7:]
    file.unlink()
    error = await refusal(service.analysis.retry(failed.id, ANONYMOUS, ""))
    assert (error.reason, error.details["digest"]) == (ErrorReason.BLOB_NOT_FOUND, failed.image.digest)
