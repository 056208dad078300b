"""What the service remembers of images and outputs never stands for what is not stored any more."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS, Job, Principal
from runward_service.domain.limits import CacheLimits
from runward_service.store.images import INLINE_BYTES
from tests.harness.service import PNG, analyze, ended, query, refusal, result_of, running_service, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
COUNT = "SELECT count(*) FROM job"


async def kept_job(service: Service, stage: Stage) -> tuple[Job, dict[str, Any]]:
    """A job on a large image whose output is kept; how an equal one names that image, which has been asked for once."""
    submitted = await submit(service, "understudy", stage.options, image=PNG + os.urandom(INLINE_BYTES))
    (await stage.enter()).give(text="kept")
    job = await ended(service, submitted.id)
    named = {"image": b"", "image_digest": job.image.digest}
    assert (await analyze(service, "understudy", stage.options, **named)).cached
    assert (await analyze(service, "understudy", stage.options, **named)).cached
    return job, named


async def delete_all(service: Service) -> None:
    """Delete every job."""
    for (job_id,) in query(service, "SELECT id FROM job"):
        await service.analysis.delete(job_id, ANONYMOUS)


@pytest.mark.parametrize("other_process", [False, True])
async def test_a_deleted_image_is_refused(tmp_path: Path, *, other_process: bool) -> None:
    """Whichever process deleted it, a request that names it is told to upload it, and nothing is stored."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        _, named = await kept_job(service, stage)
        if other_process:
            async with running_service(tmp_path, "Understudy") as other:
                await delete_all(other)
        else:
            await delete_all(service)
        for fields in (named, named | {"skip_cache": True}):
            error = await refusal(analyze(service, "understudy", stage.options, **fields))
            assert (error.reason, error.details) == (ErrorReason.BLOB_NOT_FOUND, {"digest": named["image_digest"]})
        assert query(service, COUNT) == [(0,)]
        assert stage.visits == 1


async def test_an_image_that_is_there_is_run_on(tmp_path: Path) -> None:
    """Where no output is kept any more, or none is wanted, a remembered image is looked for and used."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        _, named = await kept_job(service, stage)
        assert await service.kept_results.evict(CacheLimits(entries=0)) == 1
        for fields in (named, named | {"skip_cache": True}):
            submitted = await submit(service, "understudy", stage.options, **fields)
            (await stage.enter()).give(text="anew")
            assert not (await ended(service, submitted.id)).cached
        assert result_of(await analyze(service, "understudy", stage.options, **named)) == {"text": "anew"}


async def test_an_image_is_its_tenants(tmp_path: Path) -> None:
    """One that another tenant's call has found is not there for this one."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        _, named = await kept_job(service, stage)
        elsewhere = Principal("anonymous", "elsewhere")
        error = await refusal(analyze(service, "understudy", stage.options, principal=elsewhere, **named))
        assert error.reason is ErrorReason.BLOB_NOT_FOUND


async def test_a_refused_request_on_a_remembered_image(tmp_path: Path) -> None:
    """Validation looks at the image as it does at any: what is no such image is refused, and nothing is stored."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        _, named = await kept_job(service, stage)
        before = query(service, COUNT)
        error = await refusal(analyze(service, "understudy", stage.options, mime_type="image/jpeg", **named))
        assert error.reason is ErrorReason.MIME_TYPE_MISMATCH
        assert query(service, COUNT) == before


@pytest.mark.parametrize("other_process", [False, True])
async def test_an_output_made_anew_is_the_one_that_stands(tmp_path: Path, *, other_process: bool) -> None:
    """Also where the one before it was just answered with, and another process made the new one."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        _, named = await kept_job(service, stage)

        async def made_anew(by: Service) -> None:
            submitted = await submit(by, "understudy", stage.options, skip_cache=True, **named)
            (await stage.enter()).give(text="new")
            await ended(by, submitted.id)

        if other_process:
            async with running_service(tmp_path, "Understudy") as other:
                await made_anew(other)
        else:
            await made_anew(service)
        assert result_of(await analyze(service, "understudy", stage.options, **named)) == {"text": "new"}


async def test_nothing_deleted_is_remembered(tmp_path: Path) -> None:
    """Once DeleteJob has answered, the process that deleted holds neither output nor image."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        job, named = await kept_job(service, stage)
        ((key,),) = query(service, "SELECT key FROM kept_result")
        assert service.kept_results._remembered.get(key) is not None
        assert service.blobs.recalled(ANONYMOUS.tenant, job.image.digest) is not None
        await delete_all(service)
        assert service.kept_results._remembered.get(key) is None
        assert service.blobs.recalled(ANONYMOUS.tenant, job.image.digest) is None
        with pytest.raises(GovernedError):
            await analyze(service, "understudy", stage.options, **named)


async def test_an_image_uploaded_anew_is_another_matter(tmp_path: Path) -> None:
    """After the deletion the same bytes can be sent again, run and named."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        job, named = await kept_job(service, stage)
        data = b"".join([chunk async for chunk in service.transfer.download(ANONYMOUS, job.image.digest, 0)])
        assert job.image.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
        await delete_all(service)
        submitted = await submit(service, "understudy", stage.options, image=data)
        (await stage.enter()).give(text="again")
        await ended(service, submitted.id)
        assert result_of(await analyze(service, "understudy", stage.options, **named)) == {"text": "again"}
