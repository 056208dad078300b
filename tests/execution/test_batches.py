"""Batches of submitted jobs: each accepted or refused for itself, those accepted on disk together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobMode, JobStatus, Principal
from runward_service.store.images import INLINE_BYTES
from tests.harness.service import PNG, ended, job_request, query, refusal, running_service, submit, submit_batch

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.domain.job import Job, JobRequest
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Echo", "SinglePuppet")
OTHER = Principal("other", "default")


def request(plugin: str = "echo", **fields: object) -> JobRequest:
    """A request of a batch."""
    return job_request(plugin, mode=JobMode.ASYNC, **fields)  # type: ignore[arg-type]


def accepted(answers: list[Job | GovernedError]) -> list[Job]:
    """The jobs of answers that have no refusal among them."""
    jobs = [answer for answer in answers if not isinstance(answer, GovernedError)]
    assert len(jobs) == len(answers), answers
    return jobs


def image_file(service: Service, job: Job) -> Path:
    """The file of a job's large image."""
    digest = job.image.digest.removeprefix("sha256:")
    return service.database.images / digest[:2] / digest


async def test_jobs_in_order(service: Service) -> None:
    """Each request has its job in its place, PENDING with a revision of its own; all of them run."""
    answers = accepted(await submit_batch(service, *(request(priority=number) for number in range(100))))
    assert [job.priority for job in answers] == list(range(100))
    assert {job.status for job in answers} == {JobStatus.PENDING}
    assert [job.revision for job in answers] == sorted({job.revision for job in answers})
    assert {(await ended(service, job.id)).status for job in answers} == {JobStatus.SUCCESS}


async def test_refused_ones_store_nothing_and_stop_nobody(service: Service) -> None:
    """What is wrong with one request is told in its place; the others are stored."""
    before = query(service, "SELECT count(*) FROM job")[0][0]
    answers = await submit_batch(
        service,
        request(),
        request("absent"),
        request(mime_type="image/jpeg"),
        job_request("echo", {"count": -1}, mode=JobMode.ASYNC),
        request(timeout_us=10**9),
        request(),
    )
    reasons = [answer.reason if isinstance(answer, GovernedError) else None for answer in answers]
    assert reasons == [
        None,
        ErrorReason.PLUGIN_NOT_FOUND,
        ErrorReason.MIME_TYPE_MISMATCH,
        ErrorReason.OPTIONS_INVALID,
        ErrorReason.TIMEOUT_INVALID,
        None,
    ]
    assert query(service, "SELECT count(*) FROM job")[0][0] == before + 2
    assert await submit_batch(service) == []
    assert len(await submit_batch(service, request("absent"))) == 1


async def test_one_transaction(tmp_path: Path) -> None:
    """The jobs of a batch are committed together: another connection sees all of them or none."""
    async with running_service(tmp_path, "Echo") as service:
        await service.registry.resolve("echo")
        commits: list[list[str]] = []
        notify = service.writer._on_commit
        service.writer._on_commit = lambda changed: (commits.append(list(changed)), notify(changed))[1]
        jobs = accepted(await submit_batch(service, *(request() for _ in range(150))))
        first = next(changed for changed in commits if jobs[0].id in changed)
        assert {job.id for job in jobs} <= set(first)


async def test_large_and_small_images_together(service: Service) -> None:
    """Images that go to files and images in the database: each job has its own bytes."""
    large = [PNG + bytes([number]) * INLINE_BYTES for number in range(3)]
    images = [large[0], PNG, large[1], PNG + b"x", large[2]]
    jobs = accepted(await submit_batch(service, *(request(image=image) for image in images)))
    assert [job.image.size_bytes for job in jobs] == [len(image) for image in images]
    assert {(await ended(service, job.id)).status for job in jobs} == {JobStatus.SUCCESS}
    assert [image_file(service, jobs[place]).read_bytes() for place in (0, 2, 4)] == large


async def test_request_ids(service: Service) -> None:
    """A request id gives the job that it made: in an earlier call, in this batch, in this batch sent again. With
    another payload it is refused, and another principal's is another's.
    """
    earlier = await submit(service, "echo", request_id="earlier")
    batch = [
        request(request_id="earlier"),
        request(request_id="twice"),
        request(request_id="twice"),
        request(request_id="twice", image=PNG + b"other"),
        request(request_id="twice", principal=OTHER),
        request(),
    ]
    first = await submit_batch(service, *batch)
    again = await submit_batch(service, *batch)
    for answers in (first, again):
        reused = answers.pop(3)
        assert isinstance(reused, GovernedError)
        assert reused.reason is ErrorReason.REQUEST_ID_REUSED
        assert reused.details == {"job_id": accepted(answers)[1].id}
    ids = [[job.id for job in accepted(answers)] for answers in (first, again)]
    assert ids[0][:4] == ids[1][:4]
    assert ids[0][0] == earlier.id
    assert ids[0][1] == ids[0][2]
    assert len({*ids[0], *ids[1]}) == 5


async def test_two_batches_with_the_same_ids_at_once(service: Service) -> None:
    """Of two equal batches that arrive together, each job is made once."""
    batch = [request(request_id=f"race {number}") for number in range(100)]
    answers = await asyncio.gather(submit_batch(service, *batch), submit_batch(service, *batch))
    first, second = ([job.id for job in accepted(one)] for one in answers)
    assert first == second
    assert len(set(first)) == 100


async def test_a_draining_server_takes_none(tmp_path: Path) -> None:
    """The whole batch is refused, and stores nothing."""
    async with running_service(tmp_path, "Echo") as service:
        await service.scheduler.drain(0)
        assert (await refusal(submit_batch(service, request()))).reason is ErrorReason.DRAINING
        assert query(service, "SELECT count(*) FROM job") == [(0,)]
