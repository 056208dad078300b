"""Images whose bytes on disk have changed: found wherever they are read, never taken for right, healed by an upload."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobMode, JobStatus
from runward_service.domain.verification import Verdict
from runward_service.store.images import INLINE_BYTES
from tests.harness.service import PNG, alter, analyze, ended, job_request, query, refusal, result_of, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Echo", "Fails", "Noop", "SinglePuppet")
SIZES = (500, INLINE_BYTES + 1)
FAIL = {"how": "exception"}


def picture(size: int) -> bytes:
    """A picture that is nowhere else."""
    return PNG + os.urandom(size - len(PNG))


def digest_of(data: bytes) -> str:
    """As it is stored."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def file_of(service: Service, digest: str) -> Path:
    """The file of a large image."""
    return service.database.images / digest[7:9] / digest[7:]


def damage(service: Service, data: bytes, place: int = -1) -> str:
    """Change a byte of a stored image where it lies, the last one or that of a place; its digest."""
    digest = digest_of(data)
    changed = bytearray(data)
    changed[place] ^= 1
    wrong = bytes(changed)
    if len(data) > INLINE_BYTES:
        file_of(service, digest).write_bytes(wrong)
    else:
        alter(service, "UPDATE image SET data = ? WHERE digest = ?", wrong, digest)
    return digest


async def upload(service: Service, data: bytes) -> None:
    """Upload a blob."""
    digest = digest_of(data)
    assert not await service.transfer.is_kept(ANONYMOUS, digest, len(data))
    async with service.transfer.uploading(ANONYMOUS, digest, len(data)) as own:
        await own.append(data)
        await service.transfer.complete(ANONYMOUS, own)


async def downloaded(service: Service, digest: str) -> list[bytes]:
    """What a download sends."""
    return [chunk async for chunk in service.transfer.download(ANONYMOUS, digest, 0)]


async def missing(service: Service, digest: str) -> bool:
    """Whether a caller is told to upload it."""
    return await service.transfer.missing(ANONYMOUS, [digest]) == [digest]


def by_digest(digest: str, **fields: Any) -> Any:
    """A request that names its image."""
    return job_request("echo", image=b"", image_digest=digest, **fields)


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_on_a_damaged_image(service: Service, size: int) -> None:
    """The plugin does not run, the job is FAILED and says why, and the image is missing, until it is uploaded again."""
    data = picture(size)
    await upload(service, data)
    digest = damage(service, data)
    job = await service.analysis.analyze(by_digest(digest))
    assert (job.status, job.attempt) == (JobStatus.FAILED, 1)
    assert job.error is not None
    assert (job.error.reason, job.error.details) == (ErrorReason.BLOB_CORRUPTED, {"digest": digest})
    assert await missing(service, digest)
    error = await refusal(service.analysis.analyze(by_digest(digest)))
    assert (error.reason, error.details) == (ErrorReason.BLOB_NOT_FOUND, {"digest": digest})
    assert query(service, "SELECT count(*) FROM lost_image") == [(1,)]
    await upload(service, data)
    assert not await missing(service, digest)
    assert query(service, "SELECT count(*) FROM lost_image") == [(0,)]
    assert result_of(await service.analysis.analyze(by_digest(digest)))["size"] == size
    assert b"".join(await downloaded(service, digest)) == data


@pytest.mark.parametrize("size", SIZES)
async def test_an_image_that_is_damaged_while_its_job_waits(service: Service, size: int) -> None:
    """Also of a stored job; its neighbours with other images run, and the same image sent with a job runs again."""
    data = picture(size)
    async with Stage() as stage:
        first = await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        job = await submit(service, "single_puppet", stage.options, image=data)
        neighbour = await submit(service, "single_puppet", stage.options, image=picture(size))
        digest = damage(service, data)
        visit.give()
        assert (await ended(service, first.id)).status is JobStatus.SUCCESS
        end = await ended(service, job.id)
        assert end.error is not None
        assert end.error.reason is ErrorReason.BLOB_CORRUPTED
        visit = await stage.enter()
        visit.give()
        assert (await ended(service, neighbour.id)).status is JobStatus.SUCCESS
        assert stage.visits == 2
    assert await missing(service, digest)
    assert (await analyze(service, "echo", image=data)).status is JobStatus.SUCCESS
    assert not await missing(service, digest)


@pytest.mark.parametrize("size", SIZES)
async def test_an_image_whose_beginning_is_damaged(service: Service, size: int) -> None:
    """It looks like no image of its type, but that is not its caller's fault: it is refused, or fails, as damaged."""
    data = picture(size)
    await upload(service, data)
    digest = damage(service, data, place=0)
    error = await refusal(service.analysis.analyze(by_digest(digest)))
    assert (error.reason, error.details) == (ErrorReason.BLOB_CORRUPTED, {"digest": digest})
    assert await missing(service, digest)
    async with Stage() as stage:
        await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        job = await submit(service, "single_puppet", stage.options, image=data)
        damage(service, data, place=0)
        visit.give()
        end = await ended(service, job.id)
    assert end.error is not None
    assert end.error.reason is ErrorReason.BLOB_CORRUPTED
    assert await missing(service, digest)


async def test_a_wrong_type_of_a_whole_image(service: Service) -> None:
    """It stays the caller's fault, and the image stays."""
    data = picture(INLINE_BYTES + 1)
    await upload(service, data)
    error = await refusal(service.analysis.analyze(by_digest(digest_of(data), mime_type="image/jpeg")))
    assert error.reason is ErrorReason.MIME_TYPE_MISMATCH
    assert not await missing(service, digest_of(data))


async def test_a_file_that_is_gone(service: Service) -> None:
    """It is no other than a damaged one."""
    data = picture(INLINE_BYTES + 1)
    async with Stage() as stage:
        await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        job = await submit(service, "single_puppet", stage.options, image=data)
        file_of(service, digest_of(data)).unlink()
        visit.give()
        end = await ended(service, job.id)
    assert end.error is not None
    assert end.error.reason is ErrorReason.BLOB_CORRUPTED
    assert await missing(service, digest_of(data))


@pytest.mark.parametrize("size", [*SIZES, 3 << 20])
async def test_a_download_of_a_damaged_blob(service: Service, size: int) -> None:
    """It ends with a typed error before its last chunk, so that nobody has all bytes of it; then it is missing."""
    data = picture(size)
    await upload(service, data)
    digest = damage(service, data)
    chunks: list[bytes] = []

    async def read() -> None:
        async for chunk in service.transfer.download(ANONYMOUS, digest, 0):
            chunks.append(chunk)  # noqa: PERF401 - what came before the error

    error = await refusal(read())
    assert (error.reason, error.details) == (ErrorReason.BLOB_CORRUPTED, {"digest": digest})
    assert sum(map(len, chunks)) < size
    assert await missing(service, digest)
    assert (await refusal(downloaded(service, digest))).reason is ErrorReason.BLOB_UNKNOWN
    await upload(service, data)
    assert b"".join(await downloaded(service, digest)) == data


@pytest.mark.parametrize("cut", [0, 100, INLINE_BYTES])
async def test_a_file_that_was_cut_short(service: Service, cut: int) -> None:
    """Whatever is left of it, it is damaged."""
    data = picture(INLINE_BYTES + 5)
    await upload(service, data)
    os.truncate(file_of(service, digest_of(data)), cut)
    assert (await refusal(downloaded(service, digest_of(data)))).reason is ErrorReason.BLOB_CORRUPTED
    assert await missing(service, digest_of(data))


@pytest.mark.parametrize("change", [b"", b"?"])
async def test_a_row_of_another_length(service: Service, change: bytes) -> None:
    """A small image's bytes that were cut short, or added to, are damaged for a new job and for a retry, and healed."""
    for again in (False, True):
        data = picture(500)
        failed = await analyze(service, "fails", FAIL, image=data)
        with closing(sqlite3.connect(service.database.path)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            wrong = data + change if change else data[:-1]
            connection.execute("UPDATE image SET data = ? WHERE digest = ?", (wrong, digest_of(data)))
        if again:
            call = service.analysis.retry(failed.id, ANONYMOUS, "")
        else:
            call = service.analysis.analyze(by_digest(digest_of(data)))
        assert (await refusal(call)).reason is ErrorReason.BLOB_CORRUPTED
        assert await missing(service, digest_of(data))
        await upload(service, data)
        assert b"".join(await downloaded(service, digest_of(data))) == data


@pytest.mark.parametrize("place", [-1, 0])
@pytest.mark.parametrize("size", SIZES)
async def test_a_verification_on_a_damaged_image(service: Service, size: int, place: int) -> None:
    """It says nothing of the job's output: UNVERIFIABLE, with the reason; then the image is missing."""
    data = picture(size)
    job = await analyze(service, "noop", image=data, mime_type="image/png")
    digest = damage(service, data, place)
    verification = await service.analysis.verify(job.id, ANONYMOUS)
    assert (verification.verdict, verification.reason) == (Verdict.UNVERIFIABLE, "its image is damaged")
    assert await missing(service, digest)
    verification = await service.analysis.verify(job.id, ANONYMOUS)
    assert (verification.verdict, verification.reason) == (Verdict.UNVERIFIABLE, "its image is not there any more")
    await upload(service, data)
    assert (await service.analysis.verify(job.id, ANONYMOUS)).verdict is Verdict.REPRODUCIBLE


@pytest.mark.parametrize("size", SIZES)
async def test_a_retry_on_a_damaged_image(service: Service, size: int) -> None:
    """The damaged bytes do not become an image of their own: the new job names the same digest, and fails."""
    data = picture(size)
    failed = await analyze(service, "fails", FAIL, image=data)
    digest = damage(service, data)
    job = await service.analysis.retry(failed.id, ANONYMOUS, "")
    end = await ended(service, job.id)
    assert end.error is not None
    assert (end.image.digest, end.error.reason) == (digest, ErrorReason.BLOB_CORRUPTED)
    error = await refusal(service.analysis.retry(failed.id, ANONYMOUS, ""))
    assert error.reason is ErrorReason.BLOB_NOT_FOUND


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_put_aside_goes_with_its_job(service: Service, size: int) -> None:
    """DeleteJob erases it too."""
    data = picture(size)
    job = await service.analysis.submit(job_request("noop", image=data, mode=JobMode.ASYNC))
    await ended(service, job.id)
    damage(service, data)
    await service.analysis.verify(job.id, ANONYMOUS)  # which says that it cannot be, and puts it aside
    assert not await service.transfer.is_kept(ANONYMOUS, digest_of(data), size)
    await service.analysis.delete(job.id, ANONYMOUS)
    part = data[100:200]
    assert [path for path in service.database.folder.rglob("*") if path.is_file() and part in path.read_bytes()] == []
