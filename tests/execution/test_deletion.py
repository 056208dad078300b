"""DeleteJob: a finished job is erased from the server's files; whatever else there is stays."""

from __future__ import annotations

import hashlib
import os
import random
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobStatus, Principal
from runward_service.store.images import INLINE_BYTES
from runward_service.store.job_reader import JobQuery
from runward_service.watch.update import Bookmark
from tests.harness.service import PNG, analyze, ended, query, refusal, running_service, submit

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Echo", "Fails", "Gate", "Noop")
OCTETS = "application/octet-stream"


def marker() -> str:
    """A text that is nowhere else."""
    return f"marker-{random.randbytes(12).hex()}"


def files_with(service: Service, text: str) -> list[str]:
    """The files below the data folder that hold a text."""
    folder = service.database.folder
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    )


@pytest.mark.parametrize("size", [200, INLINE_BYTES, INLINE_BYTES + 1])
async def test_nothing_is_left_of_a_deleted_job(service: Service, size: int) -> None:
    """Image, options, labels, result and the id's events are in no file once DeleteJob has answered; counts stay."""
    image, option, label = marker(), marker(), marker()
    data = PNG + image.encode() + os.urandom(size - len(PNG) - len(image))
    job = await analyze(service, "echo", {"word": option}, image=data, labels={"order": label}, request_id=marker())
    assert job.result is not None
    assert option.encode() in job.result
    for text in (image, option, label):
        assert files_with(service, text)
    counted = query(service, "SELECT success_count FROM plugin_counter WHERE plugin = 'echo'")
    await service.analysis.delete(job.id, ANONYMOUS)
    assert [text for text in (image, option, label, job.request_id) if files_with(service, text)] == []
    assert query(service, "SELECT success_count FROM plugin_counter WHERE plugin = 'echo'") == counted
    assert query(service, "SELECT count(*) FROM job WHERE id = ?", job.id) == [(0,)]
    assert (await refusal(service.analysis.get_job(job.id, ANONYMOUS))).reason is ErrorReason.JOB_NOT_FOUND


@pytest.mark.parametrize("size", [200, INLINE_BYTES + 1])
async def test_what_was_uploaded_of_its_image_goes_too(service: Service, size: int) -> None:
    """A blob that would be kept yet because it was uploaded, and an upload of it that broke off."""
    image = marker()
    data = PNG + image.encode() + os.urandom(size - len(PNG) - len(image))
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    async with service.transfer.uploading(ANONYMOUS, digest, len(data)) as upload:
        await upload.append(data[:-1])
    job = await analyze(service, "noop", image=data)
    async with service.transfer.uploading(ANONYMOUS, digest, len(data)) as upload:
        assert upload.committed_bytes == len(data) - 1
    assert await service.transfer.is_kept(ANONYMOUS, digest, len(data))
    await service.analysis.delete(job.id, ANONYMOUS)
    assert files_with(service, image) == []
    assert await service.transfer.missing(ANONYMOUS, [digest]) == [digest]


async def test_error_and_traceback_are_erased(service: Service) -> None:
    """The message that a plugin raised with, and its traceback, go with the job."""
    text = marker()
    job = await analyze(service, "fails", {"how": "plugin_error", "message": text})
    assert job.error is not None
    assert files_with(service, text)
    assert query(service, "SELECT count(*) FROM job_traceback JOIN job ON seq = job_seq WHERE id = ?", job.id) == [(1,)]
    await service.analysis.delete(job.id, ANONYMOUS)
    assert files_with(service, text) == []


async def test_nothing_is_left_among_many(service: Service) -> None:
    """Neighbours in the same pages keep no copy: of 150 jobs of all sizes, made one after another, every other one is
    deleted, and nothing of those is left, while all of the others is.
    """
    rng = random.Random(5)
    texts = [marker() for _ in range(150)]

    async def one(text: str) -> str:
        data = PNG + text.encode() * rng.choice([1, 3, 40, 400])
        options = {"word": text * rng.choice([1, 2, 30, 300])}
        job = await submit(service, "echo", options, image=data, labels={"mark": text})
        return (await ended(service, job.id)).id

    for job_id in [await one(text) for text in texts][::2]:
        await service.analysis.delete(job_id, ANONYMOUS)
    content = b"".join(path.read_bytes() for path in service.database.folder.rglob("*") if path.is_file())
    assert [text for text in texts[::2] if text.encode() in content] == []
    assert [text for text in texts[1::2] if text.encode() not in content] == []


@pytest.mark.parametrize("size", [100, INLINE_BYTES + 100])
async def test_an_image_that_another_job_has_stays(service: Service, size: int) -> None:
    """Of two jobs with one image the first deletion leaves it and the second erases it."""
    text = marker()
    data = text.encode() + os.urandom(size)
    first, second = [await analyze(service, "noop", image=data, mime_type=OCTETS) for _ in range(2)]
    await service.analysis.delete(first.id, ANONYMOUS)
    assert files_with(service, text)
    assert (await service.analysis.get_job(second.id, ANONYMOUS)).image.digest == first.image.digest
    await service.analysis.delete(second.id, ANONYMOUS)
    assert files_with(service, text) == []


async def test_an_unfinished_job_is_refused(service: Service, tmp_path: Path) -> None:
    """A job that has not ended has to be cancelled first; nothing of it is touched."""
    job = await submit(service, "gate", {"folder": str(tmp_path)})
    error = await refusal(service.analysis.delete(job.id, ANONYMOUS))
    assert error.reason is ErrorReason.JOB_STATUS_CONFLICT
    assert error.details["status"] in {"PENDING", "RUNNING"}
    await service.analysis.cancel(job.id, ANONYMOUS)
    await service.analysis.delete(job.id, ANONYMOUS)


async def test_deleting_twice_does_no_harm(service: Service) -> None:
    """The second call is answered as the first; an id that never was, or is another tenant's, is not found."""
    job = await analyze(service, "noop")
    stranger = Principal("anonymous", "other")
    assert (await refusal(service.analysis.delete(job.id, stranger))).reason is ErrorReason.JOB_NOT_FOUND
    await service.analysis.delete(job.id, ANONYMOUS)
    await service.analysis.delete(job.id, ANONYMOUS)
    assert (await refusal(service.analysis.delete(job.id, stranger))).reason is ErrorReason.JOB_NOT_FOUND
    assert (await refusal(service.analysis.delete("0" * 36, ANONYMOUS))).reason is ErrorReason.JOB_NOT_FOUND


async def test_a_deletion_has_a_revision_of_its_own(service: Service) -> None:
    """The deletion is recorded with who asked and the next revision, which no later change is given."""
    job = await analyze(service, "noop")
    await service.analysis.delete(job.id, ANONYMOUS)
    after = await analyze(service, "noop")
    rows = query(service, "SELECT revision, tenant, principal FROM job_deletion WHERE job_id = ?", job.id)
    assert rows == [(job.revision + 1, "default", "anonymous")]
    assert after.revision == job.revision + 4


async def test_a_request_id_is_free_again(service: Service) -> None:
    """After a deletion its request id makes a new job, also with another payload."""
    first = await submit(service, "echo", {"count": 1}, request_id="again")
    await ended(service, first.id)
    await service.analysis.delete(first.id, ANONYMOUS)
    second = await submit(service, "echo", {"count": 2}, request_id="again")
    assert second.id != first.id


async def test_a_reader_of_an_older_state_holds_the_answer_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a backup, say, reads what was there before, the erasure cannot be completed and is refused as not done yet;
    called again afterwards it is done.
    """
    monkeypatch.setattr("runward_service.store.checkpointer.PATIENCE_SECONDS", 0.2)
    async with running_service(tmp_path, "Echo") as service:
        text = marker()
        job = await analyze(service, "echo", {"word": text})
        reader = service.database.connect()
        try:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM job").fetchall()
            error = await refusal(service.analysis.delete(job.id, ANONYMOUS))
            assert error.reason is ErrorReason.STORE_UNAVAILABLE
        finally:
            reader.close()
        await service.analysis.delete(job.id, ANONYMOUS)
        assert files_with(service, text) == []


async def test_watches_of_a_deleted_job_end(service: Service) -> None:
    """A watch that has found its job ended gives that end, also where the job is deleted meanwhile; one that comes
    later ends with JOB_NOT_FOUND. Watches of all jobs go on.
    """
    job = await analyze(service, "noop")
    behind = service.analysis.watch_job(job.id, ANONYMOUS, 0)
    assert (await anext(behind)).status is JobStatus.PENDING
    everything = service.analysis.watch_jobs(JobQuery(ANONYMOUS.tenant), job.revision)
    assert isinstance(await anext(everything), Bookmark)
    await service.analysis.delete(job.id, ANONYMOUS)
    assert [update.status async for update in behind][-1] is JobStatus.SUCCESS
    error = await refusal(anext(service.analysis.watch_job(job.id, ANONYMOUS, 0)))
    assert error.reason is ErrorReason.JOB_NOT_FOUND
    other = await analyze(service, "noop")
    seen = await anext(everything)
    while isinstance(seen, Bookmark):
        seen = await anext(everything)
    assert seen.job.id == other.id
    await everything.aclose()
