"""Files that come along with an output from the cache: they are another job's, which may be deleted at any time."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS, Job, JobStatus
from runward_service.runtime.run_control import RunControl
from runward_service.store.images import INLINE_BYTES
from tests.harness.service import (
    PNG,
    alter,
    analyze,
    ended,
    held_writer,
    history,
    ready,
    refusal,
    running_service,
    submit,
    turns_until,
)
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runward_service.service import Service

PLUGINS = ("Giver",)
pytestmark = pytest.mark.asyncio(loop_scope="module")
PENDING, RUNNING, SUCCESS, FAILED = JobStatus


@pytest.mark.parametrize("lost", ["large damaged", "large gone", "small damaged", "small gone"])
async def test_files_that_a_run_gave_come_along(service: Service, lost: str) -> None:
    """A hit lists the same files, and holds them: they stay when the job of the run is deleted. Where one of them is
    known to be lost, an equal job runs and gives it again, for those after it too.
    """
    image = PNG + os.urandom(30) + b"!"
    options = {"files": [["small", 10], ["large", INLINE_BYTES + 1]], "lost": lost}
    first = await analyze(service, "giver", options, image=image)
    second = await analyze(service, "giver", options, image=image)
    assert (second.cached, second.artifacts) == (True, first.artifacts)
    await service.analysis.delete(first.id, ANONYMOUS)
    third = await ended(service, (await submit(service, "giver", options, image=image)).id)
    assert (third.cached, third.artifacts) == (True, first.artifacts)
    file = first.artifacts[lost.startswith("large")]
    lose(service, file.digest, lost)
    with pytest.raises(GovernedError):
        await downloaded(service, file.digest)
    renewed = await analyze(service, "giver", options, image=image)
    assert (renewed.cached, renewed.artifacts) == (False, first.artifacts)
    assert await downloaded(service, file.digest) == b"!" * file.size_bytes
    again = await analyze(service, "giver", options, image=image)
    assert (again.cached, again.artifacts) == (True, first.artifacts)


def lose(service: Service, digest: str, how: str) -> None:
    """Damage a stored file where it lies, or remove it."""
    path = service.jobs._intake._images.path_of(digest)
    if how == "large damaged":
        path.write_bytes(b"damaged")
    elif how == "large gone":
        path.unlink()
    else:
        data = None if how == "small gone" else b"?" * 10
        alter(service, "UPDATE image SET data = ? WHERE digest = ?", data, digest)


async def downloaded(service: Service, digest: str) -> bytes:
    """A blob's bytes."""
    return b"".join([chunk async for chunk in service.transfer.download(ANONYMOUS, digest, 0)])


async def test_the_files_list_is_under_the_checksum_too(service: Service) -> None:
    """An output whose list of files was changed is damaged."""
    image = PNG + os.urandom(30)
    job = await analyze(service, "giver", {"files": [["one", 10]]}, image=image)
    alter(service, "UPDATE job_artifact SET name = 'two' WHERE job_seq = (SELECT seq FROM job WHERE id = ?)", job.id)
    assert not (await analyze(service, "giver", {"files": [["one", 10]]}, image=image)).cached


@asynccontextmanager
async def deleting(service: Service, job: Job) -> AsyncIterator[None]:
    """A job is on its way to be deleted: what the block writes comes after that, what it reads was before."""
    async with held_writer(service):
        deletion = asyncio.ensure_future(service.analysis.delete(job.id, ANONYMOUS))
        await turns_until(lambda: len(service.writer._waiting) == 1)
        yield
    await deletion


async def test_an_output_whose_files_go_meanwhile_is_made_anew(tmp_path: Path) -> None:
    """Its job is deleted after an equal one has found it, and before that one's end is stored: the plugin runs."""
    options = {"files": [["small", 10], ["large", INLINE_BYTES + 1]]}
    async with running_service(tmp_path, "Giver") as service:
        first = await analyze(service, "giver", options)
        async with deleting(service, first):
            call = asyncio.ensure_future(analyze(service, "giver", options))
            await turns_until(lambda: len(service.writer._waiting) == 4)
        second = await call
        assert (second.status, second.cached, second.attempt) == (SUCCESS, False, 1)
        assert (second.result, second.artifacts) == (first.result, first.artifacts)
        assert history(service, second.id) == [(PENDING, 0), (RUNNING, 1), (SUCCESS, 1)]
        assert await downloaded(service, second.artifacts[1].digest) == PNG[-1:] * (INLINE_BYTES + 1)
        assert (await analyze(service, "giver", options)).cached


async def test_a_file_that_goes_before_it_is_named_is_put_again(service: Service) -> None:
    """A large file that a run gave back is removed, as with an earlier job that had the same, before the commit."""
    image = PNG + os.urandom(30) + b"!"
    digest = "sha256:" + hashlib.sha256(b"!" * (INLINE_BYTES + 1)).hexdigest()
    async with held_writer(service):
        call = asyncio.ensure_future(analyze(service, "giver", {"files": [["large", INLINE_BYTES + 1]]}, image=image))
        await turns_until(lambda: len(service.writer._waiting) == 3)
        service.jobs._intake._images.path_of(digest).unlink()
    job = await call
    assert [artifact.digest for artifact in job.artifacts] == [digest]
    assert history(service, job.id) == [(PENDING, 0), (RUNNING, 1), (SUCCESS, 1)]
    assert await downloaded(service, digest) == b"!" * (INLINE_BYTES + 1)


async def test_a_submitted_job_whose_output_goes_meanwhile_takes_a_slot_again(tmp_path: Path) -> None:
    """It had given its slot back, since the output seemed to be there; another has that slot by now."""
    async with running_service(tmp_path, "Understudy", workers=1) as service, Stage() as stage:
        await ready(service, "understudy")  # whoever waited for that has had the turn before stored jobs
        options = stage.options | {"gives": "file.txt"}
        call = asyncio.ensure_future(analyze(service, "understudy", options))
        (await stage.enter()).give()
        first = await call
        somebody = ("default", "somebody else")
        slot = await service.scheduler.next_slot("understudy", somebody, RunControl())
        await submit(service, "understudy", options)
        (job,) = await service.jobs.claim_jobs("understudy", 1)
        queue = service.scheduler._slots.queues["understudy"]
        async with deleting(service, first):
            waiting = asyncio.ensure_future(service.scheduler.next_slot("understudy", somebody, RunControl()))
            await turns_until(lambda: len(queue.callers) == 1)
            run = asyncio.ensure_future(service.analysis.run_claimed(job, RunControl(), slot))
            other = await waiting
        await turns_until(lambda: len(queue.callers) == 1)
        other.free()
        visit = await stage.enter()
        assert (visit.job_id, visit.attempt, queue.taken) == (job.id, 1, 1)
        visit.give()
        assert ((await run).status, (await run).cached) == (SUCCESS, False)
        assert (await run).artifacts == first.artifacts != ()


async def test_an_end_that_is_stored_later_may_lack_its_files_by_then(tmp_path: Path) -> None:
    """A store that failed to take the end of a hit takes it when the files are gone: the job is FAILED with the same
    INTERNAL that its caller was told, and the server goes on.
    """
    options = {"files": [["small", 10]]}
    async with running_service(tmp_path, "Giver") as service:
        first = await analyze(service, "giver", options)
        fault = "SELECT abs(-9223372036854775808)"
        for change in ("INSERT", "UPDATE"):
            trigger = f"CREATE TRIGGER fault_{change} BEFORE {change} ON job WHEN new.status = 3 BEGIN {fault}; END"
            await service.writer.submit(lambda tx, trigger=trigger: tx.execute(trigger))
        error = await refusal(analyze(service, "giver", options))
        assert error.reason is ErrorReason.INTERNAL
        await service.analysis.delete(first.id, ANONYMOUS)
        for change in ("INSERT", "UPDATE"):
            await service.writer.submit(lambda tx, change=change: tx.execute(f"DROP TRIGGER fault_{change}"))
        job = await ended(service, error.details["job_id"])
        assert job.error is not None
        assert (job.status, job.error.reason) == (FAILED, ErrorReason.INTERNAL)
        assert not (await analyze(service, "giver", options)).cached
