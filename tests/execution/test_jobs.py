"""Jobs as callers see them: fields, lists, request ids, times."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobMode, JobStatus, Principal
from runward_service.store.images import INLINE_BYTES
from runward_service.store.job_reader import JobQuery
from tests.harness.service import PNG, analyze, ended, query, refusal, result_of, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Echo", "Fails", "SinglePuppet")
OTHER = Principal("other", "default")
STRANGER = Principal("stranger", "elsewhere")


async def listed(service: Service, limit: int = 1000, before: int = 0, **filters: Any) -> list[str]:
    """The ids of a page of jobs."""
    filters.setdefault("tenant", "default")
    page = await service.analysis.list_jobs(JobQuery(**filters), limit, before)
    return [job.id for job in page.jobs]


async def test_both_ways_make_the_same_kind_of_job(service: Service) -> None:
    """Analyze and SubmitJob store the same: plugin, version, payload, status, times, attempt, result, digest."""
    first = await analyze(service, "echo", {"count": 3}, labels={"a": "b"})
    second = await ended(service, (await submit(service, "echo", {"count": 3}, labels={"a": "b"})).id)
    columns = "plugin, plugin_version, status, image.digest, mime_type, options, labels, attempt, timeout, max_attempts"
    rows = query(
        service,
        f"SELECT {columns} FROM job JOIN image ON image.seq = job.image_seq WHERE id IN (?, ?)",
        first.id,
        second.id,
    )
    digest = f"sha256:{hashlib.sha256(PNG).hexdigest()}"
    expected = ("echo", "2.1.0", 3, digest, "image/png", '{"count":3}', '{"a":"b"}', 1, 10_000_000, 2)
    assert rows == [expected, expected]
    for job in (first, second):
        assert uuid.UUID(job.id).version == 7
        assert result_of(job)["job_id"] == job.id
        assert job.output_digest.startswith("sha256:")
    assert (first.mode, second.mode) == (JobMode.SYNC, JobMode.ASYNC)


async def test_what_a_caller_is_answered_is_what_is_stored(service: Service) -> None:
    """The job that Analyze answers is the job that GetJob gives, field for field, but for the receipt."""
    for job in (await analyze(service, "echo"), await analyze(service, "fails", {"how": "plugin_error"})):
        again = await service.analysis.get_job(job.id, ANONYMOUS)
        image = dataclasses.replace(job.image, data=None)
        error = job.error and dataclasses.replace(job.error, traceback="")
        assert again.receipt is not None
        assert again._replace(receipt=None) == job._replace(image=image, error=error)


async def test_times_are_utc_and_in_order(service: Service) -> None:
    """Creation, start and end are microseconds of UTC between the call's begin and its answer, in that order."""
    before = time.time_ns() // 1000
    jobs = [
        await analyze(service, "echo"),
        await ended(service, (await submit(service, "echo")).id),
        await analyze(service, "fails"),
    ]
    after = time.time_ns() // 1000
    for job in jobs:
        assert before <= job.create_time_us <= job.start_time_us <= job.end_time_us <= after
        if job.error is not None:
            assert job.start_time_us <= job.error.time_us <= job.end_time_us


async def test_an_unfinished_job_has_no_end(service: Service) -> None:
    """PENDING has neither start nor end, RUNNING no end; neither has a result or an error."""
    async with Stage() as stage:
        first = await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        second = await submit(service, "single_puppet", stage.options)
        running = await service.analysis.get_job(first.id, ANONYMOUS)
        pending = await service.analysis.get_job(second.id, ANONYMOUS)
        assert (running.status, running.attempt, running.end_time_us) == (JobStatus.RUNNING, 1, 0)
        assert (pending.status, pending.attempt, pending.start_time_us, pending.end_time_us) == (
            JobStatus.PENDING, 0, 0, 0,
        )  # fmt: skip
        assert (running.result, running.error, pending.result, pending.error) == (None, None, None, None)
        visit.give()
        (await stage.enter()).give()
        await ended(service, second.id)


async def test_a_large_image_is_a_file(service: Service) -> None:
    """Beyond the inline size the bytes lie in a file of their digest, and the plugin reads them all; equal ones lie
    there once.
    """
    image = PNG + bytes(INLINE_BYTES)
    jobs = [await analyze(service, "echo", image=image) for _ in range(2)]
    assert [result_of(job)["size"] for job in jobs] == [len(image)] * 2
    digest = hashlib.sha256(image).hexdigest()
    assert [path.name for path in service.database.images.rglob("*") if path.is_file()] == [digest]
    assert query(service, "SELECT size_bytes, data FROM image WHERE digest = ?", f"sha256:{digest}") == [
        (len(image), None)
    ]


async def test_an_image_whose_file_is_gone(service: Service) -> None:
    """The job ends FAILED and names the blob, but tells nothing of the disk; the service lives on."""
    async with Stage() as stage:
        await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        image = PNG + bytes(INLINE_BYTES + 1)
        job = await submit(service, "single_puppet", stage.options, image=image)
        digest = hashlib.sha256(image).hexdigest()
        (service.database.images / digest[:2] / digest).unlink()
        visit.give()
        found = await ended(service, job.id)
        assert found.error is not None
        assert (found.status, found.error.reason) == (JobStatus.FAILED, ErrorReason.BLOB_CORRUPTED)
        assert str(service.database.folder) not in found.error.message
        assert stage.visits == 1


async def test_newest_first(service: Service) -> None:
    """A list begins with the job that was created last."""
    jobs = [(await analyze(service, "echo")).id for _ in range(5)]
    assert (await listed(service))[:5] == jobs[::-1]


async def test_pages_meet(service: Service) -> None:
    """Pages of any size give every job once, in order, and the last has no next."""
    jobs = [(await analyze(service, "echo", labels={"run": "pages"})).id for _ in range(7)]
    query_ = JobQuery(tenant="default", labels={"run": "pages"})
    for size in (1, 2, 3, 7, 8):
        found: list[str] = []
        before, pages = 0, 0
        while before or not pages:
            page = await service.analysis.list_jobs(query_, size, before)
            assert len(page.jobs) <= size
            found += [job.id for job in page.jobs]
            before, pages = page.next_before, pages + 1
        assert found == jobs[::-1]
        assert pages == -(-7 // size)


async def test_a_page_is_not_moved_by_new_jobs(service: Service) -> None:
    """A job created between two pages is on neither, and shifts nothing."""
    jobs = [(await analyze(service, "echo", labels={"run": "moving"})).id for _ in range(4)]
    query_ = JobQuery(tenant="default", labels={"run": "moving"})
    first = await service.analysis.list_jobs(query_, 2, 0)
    await analyze(service, "echo", labels={"run": "moving"})
    second = await service.analysis.list_jobs(query_, 2, first.next_before)
    assert [job.id for job in [*first.jobs, *second.jobs]] == jobs[::-1]


async def test_filters(service: Service) -> None:
    """Plugin, statuses, labels and creation time each admit what they say, and together what fits all."""
    run = {"run": "filters"}
    good = await analyze(service, "echo", labels={**run, "kind": "good"})
    bad = await analyze(service, "fails", labels={**run, "kind": "bad"})
    last = await analyze(service, "fails", {"how": "succeed"}, labels={**run, "kind": "good"})
    assert await listed(service, labels=run) == [last.id, bad.id, good.id]
    assert await listed(service, labels=run, plugin="fails") == [last.id, bad.id]
    assert await listed(service, labels=run, statuses=(JobStatus.SUCCESS,)) == [last.id, good.id]
    assert await listed(service, labels=run, statuses=(JobStatus.SUCCESS, JobStatus.FAILED)) == [
        last.id,
        bad.id,
        good.id,
    ]
    assert await listed(service, labels=run, statuses=(JobStatus.PENDING,)) == []
    assert await listed(service, labels={**run, "kind": "good"}) == [last.id, good.id]
    assert await listed(service, labels={**run, "kind": "good"}, plugin="fails") == [last.id]
    assert await listed(service, labels={**run, "kind": "ugly"}) == []
    assert await listed(service, labels=run, create_time_from_us=bad.create_time_us) == [last.id, bad.id]
    assert await listed(service, labels=run, create_time_before_us=bad.create_time_us) == [good.id]
    assert await listed(service, labels=run, plugin="nothing") == []


async def test_a_list_holds_no_results(service: Service) -> None:
    """Results stand in Analyze, GetJob and a watch's last message; errors stand in lists too."""
    await analyze(service, "fails", labels={"run": "bare"})
    await analyze(service, "echo", labels={"run": "bare"})
    page = await service.analysis.list_jobs(JobQuery(tenant="default", labels={"run": "bare"}), 10, 0)
    assert [(job.status, job.result) for job in page.jobs] == [(JobStatus.SUCCESS, None), (JobStatus.FAILED, None)]
    assert page.jobs[0].output_digest
    assert page.jobs[1].error is not None
    assert page.revision == query(service, "SELECT max(revision) FROM job_event")[0][0]


async def test_tenants_do_not_see_each_other(service: Service) -> None:
    """Another tenant's job is not found, not listed, not watched."""
    job = await analyze(service, "echo", principal=STRANGER)
    assert await listed(service, tenant="elsewhere") == [job.id]
    assert job.id not in await listed(service)
    assert (await refusal(service.analysis.get_job(job.id, ANONYMOUS))).reason is ErrorReason.JOB_NOT_FOUND
    assert (await refusal(anext(service.analysis.watch_job(job.id, ANONYMOUS, 0)))).reason is ErrorReason.JOB_NOT_FOUND


@pytest.mark.parametrize("mode", list(JobMode))
async def test_the_same_request_again_is_the_same_job(service: Service, mode: JobMode) -> None:
    """A request id with the same payload gives the job that it made, ended or not, and runs nothing."""
    request_id = f"again-{mode.name}"
    call = analyze if mode is JobMode.SYNC else submit
    async with Stage() as stage:
        first = asyncio.ensure_future(call(service, "single_puppet", stage.options, request_id=request_id))
        visit = await stage.enter()
        during = asyncio.ensure_future(call(service, "single_puppet", stage.options, request_id=request_id))
        if mode is JobMode.ASYNC:
            assert (await during).status is JobStatus.RUNNING
        visit.give(x=1)
        assert (await during).id == (await first).id == visit.job_id
        await ended(service, visit.job_id)
        after = await call(service, "single_puppet", stage.options, request_id=request_id)
        assert (after.id, result_of(after)) == (visit.job_id, {"x": 1.0})
        assert stage.visits == 1
    assert query(service, "SELECT count(*) FROM job WHERE request_id = ?", request_id) == [(1,)]


async def test_many_at_once_with_one_request_id(service: Service) -> None:
    """A race of equal requests makes one job."""
    jobs = await asyncio.gather(*(submit(service, "echo", request_id="race") for _ in range(20)))
    assert len({job.id for job in jobs}) == 1
    assert query(service, "SELECT count(*) FROM job WHERE request_id = 'race'") == [(1,)]


@pytest.mark.parametrize(
    "other",
    [
        {"image": PNG + b"\0"},
        {"options": {"count": 2}},
        {"options": {}},
        {"plugin": "fails"},
        {"mime_type": "image/jpeg", "image": b"\xff\xd8\xff\xe0"},
    ],
    ids=["image", "options", "no options", "plugin", "type"],
)
async def test_a_request_id_with_another_payload(service: Service, other: dict[str, Any]) -> None:
    """REQUEST_ID_REUSED, naming the job that has the id; nothing is stored."""
    fields = {"plugin": "echo", "options": {"count": 1}, "request_id": "taken", **other}
    first = await submit(service, "echo", {"count": 1}, request_id="taken")
    before = query(service, "SELECT count(*) FROM job")
    for call in (analyze(service, **fields), submit(service, **fields)):
        error = await refusal(call)
        assert (error.reason, error.details) == (ErrorReason.REQUEST_ID_REUSED, {"job_id": first.id})
    assert query(service, "SELECT count(*) FROM job") == before


async def test_a_request_id_belongs_to_its_principal(service: Service) -> None:
    """Others may use the same id for other jobs; a request without an id is always a new job."""
    jobs: list[Job] = [
        await submit(service, "echo", request_id="mine"),
        await submit(service, "echo", request_id="mine", principal=OTHER),
        await submit(service, "echo", request_id="mine", principal=STRANGER),
        await submit(service, "echo"),
        await submit(service, "echo"),
    ]
    assert len({job.id for job in jobs}) == 5
