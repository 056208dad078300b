"""Cancelling, hanging up, and expiry: each ends a job FAILED, once, with its reason."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobStatus, Principal
from tests.harness.service import PNG, analyze, ended, history, query, refusal, result_of, submit, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("SinglePuppet", "Noop")
PENDING, RUNNING, SUCCESS, FAILED = JobStatus
STRANGER = Principal("stranger", "elsewhere")


def reason_of(job: Job) -> ErrorReason:
    """Why a job failed."""
    assert job.status is FAILED
    assert job.error is not None
    return job.error.reason


async def test_a_pending_job(service: Service) -> None:
    """It passes through RUNNING, ends FAILED with CANCELLED, and never runs."""
    async with Stage() as stage:
        busy = await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        waiting = await submit(service, "single_puppet", stage.options)
        job = await service.analysis.cancel(waiting.id, ANONYMOUS)
        assert reason_of(job) is ErrorReason.CANCELLED
        assert job.attempt == 0
        assert history(service, job.id) == [(PENDING, 0), (RUNNING, 0), (FAILED, 0)]
        visit.give()
        assert (await ended(service, busy.id)).status is SUCCESS
        assert stage.visits == 1


async def test_a_running_job(service: Service) -> None:
    """Its process is killed, it ends FAILED with CANCELLED after its one attempt, and the next job runs."""
    async with Stage() as stage:
        submitted = await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        job = await service.analysis.cancel(submitted.id, ANONYMOUS)
        await visit.gone()
        assert reason_of(job) is ErrorReason.CANCELLED
        assert history(service, job.id) == [(PENDING, 0), (RUNNING, 1), (FAILED, 1)]
        following = await submit(service, "single_puppet", stage.options)
        (await stage.enter()).give()
        assert (await ended(service, following.id)).status is SUCCESS


async def test_a_finished_job(service: Service) -> None:
    """It is answered as it is, as often as one asks; nothing is written."""
    job = await analyze(service, "noop")
    before = query(service, "SELECT count(*), max(revision) FROM job_event")
    for _ in range(2):
        again = await service.analysis.cancel(job.id, ANONYMOUS)
        assert (again.status, again.revision, again.cancel_requested) == (SUCCESS, job.revision, False)
    assert query(service, "SELECT count(*), max(revision) FROM job_event") == before


async def test_cancelling_twice_at_once(service: Service) -> None:
    """Both callers get the same end, which is written once."""
    async with Stage() as stage:
        submitted = await submit(service, "single_puppet", stage.options)
        await stage.enter()
        jobs = await asyncio.gather(*(service.analysis.cancel(submitted.id, ANONYMOUS) for _ in range(5)))
        assert {(reason_of(job), job.revision) for job in jobs} == {(ErrorReason.CANCELLED, jobs[0].revision)}
        assert history(service, submitted.id)[-2:] == [(RUNNING, 1), (FAILED, 1)]


async def test_an_unknown_job(service: Service) -> None:
    """JOB_NOT_FOUND, also for a job of another tenant, which goes on."""
    unknown = str(uuid.uuid4())
    error = await refusal(service.analysis.cancel(unknown, ANONYMOUS))
    assert (error.reason, error.details) == (ErrorReason.JOB_NOT_FOUND, {"job_id": unknown})
    async with Stage() as stage:
        job = await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        assert (await refusal(service.analysis.cancel(job.id, STRANGER))).reason is ErrorReason.JOB_NOT_FOUND
        visit.give()
        assert (await ended(service, job.id)).status is SUCCESS


async def test_a_caller_that_hangs_up_while_its_job_runs(service: Service) -> None:
    """The end of the calling task kills the run and ends the job FAILED with CANCELLED."""
    async with Stage() as stage:
        call = asyncio.ensure_future(analyze(service, "single_puppet", stage.options))
        visit = await stage.enter()
        running = service.running.jobs[visit.job_id].task
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert reason_of(await running) is ErrorReason.CANCELLED
        await visit.gone()
        assert history(service, visit.job_id) == [(PENDING, 0), (RUNNING, 1), (FAILED, 1)]


async def test_a_caller_that_hangs_up_while_its_job_waits(service: Service) -> None:
    """The job ends FAILED with CANCELLED and never runs."""
    async with Stage() as stage:
        busy = asyncio.ensure_future(analyze(service, "single_puppet", stage.options))
        visit = await stage.enter()
        call = asyncio.ensure_future(analyze(service, "single_puppet", stage.options))
        await turns_until(lambda: len(service.running.jobs) == 2)
        (job_id,) = set(service.running.jobs) - {visit.job_id}
        running = service.running.jobs[job_id].task
        call.cancel()
        assert reason_of(await running) is ErrorReason.CANCELLED
        assert history(service, job_id) == [(PENDING, 0), (RUNNING, 0), (FAILED, 0)]
        visit.give()
        assert (await busy).status is SUCCESS
        assert stage.visits == 1
        assert call.cancelled()


class HeldWriter:
    """Keeps the store's writer busy for as long as the block lasts, so that what is written in it waits."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._entered = asyncio.Event()
        self._leave = threading.Event()

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()

        def hold(_transaction: object) -> None:
            loop.call_soon_threadsafe(self._entered.set)
            self._leave.wait()

        self._held = self._service.writer.submit(hold)
        await self._entered.wait()

    async def __aexit__(self, *_: object) -> None:
        self._leave.set()
        await self._held


async def test_a_caller_that_hangs_up_while_its_submit_is_written(service: Service) -> None:
    """The job is on its way to disk and cannot be called back, so it is run like any other, not forgotten."""
    async with Stage() as stage:
        async with HeldWriter(service):
            call = asyncio.ensure_future(submit(service, "single_puppet", stage.options, request_id="hung-up-submit"))
            await turns_until(lambda: bool(service.writer._waiting))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        (await stage.enter()).give(ran=True)
        job = await submit(service, "single_puppet", stage.options, request_id="hung-up-submit")
        assert result_of(await ended(service, job.id)) == {"ran": True}


async def test_a_caller_that_hangs_up_while_its_analyze_is_written(service: Service) -> None:
    """A job with a request id whose caller is gone before it is on disk still ends: it is not left PENDING."""
    async with Stage() as stage:
        async with HeldWriter(service):
            call = asyncio.ensure_future(analyze(service, "single_puppet", stage.options, request_id="hung-up-analyze"))
            await turns_until(lambda: bool(service.writer._waiting))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        job = await analyze(service, "single_puppet", stage.options, request_id="hung-up-analyze")
        assert reason_of(job) is ErrorReason.CANCELLED


async def test_a_caller_that_hangs_up_while_a_large_image_is_written(service: Service) -> None:
    """Its job is written before it runs; that it comes to be there after its caller left does not leave it PENDING."""
    async with Stage() as stage:
        async with HeldWriter(service):
            call = asyncio.ensure_future(analyze(service, "single_puppet", stage.options, image=PNG + bytes(400_000)))
            while not service.writer._waiting:  # noqa: ASYNC110 - its file is written by a thread
                await asyncio.sleep(0.001)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        await service.store.flush()
        ((job_id,),) = query(service, "SELECT id FROM job ORDER BY seq DESC LIMIT 1")
        assert reason_of(await ended(service, job_id)) is ErrorReason.CANCELLED
        assert stage.visits == 0


async def test_callers_with_one_request_id_share_a_job(service: Service) -> None:
    """Two that arrive at once get one job, which runs once. When one hangs up, the other still gets its end."""
    async with Stage() as stage:
        calls = [
            asyncio.ensure_future(analyze(service, "single_puppet", stage.options, request_id="shared"))
            for _ in range(3)
        ]
        visit = await stage.enter()
        calls[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[0]
        late = await submit(service, "single_puppet", stage.options, request_id="shared")
        assert (late.id, late.status) == (visit.job_id, RUNNING)
        visit.give(shared=True)
        jobs = await asyncio.gather(*calls[1:])
        assert [(job.id, result_of(job)) for job in jobs] == [(visit.job_id, {"shared": True})] * 2
        assert stage.visits == 1


async def test_the_last_caller_that_hangs_up_cancels_a_shared_job(service: Service) -> None:
    """As long as one waits the job goes on; a submitted job goes on though all who waited for it have hung up."""
    async with Stage() as stage:
        for begin in (analyze, submit):
            request_id = f"left by all, {begin.__name__}"
            first = asyncio.ensure_future(begin(service, "single_puppet", stage.options, request_id=request_id))
            visit = await stage.enter()
            second = asyncio.ensure_future(analyze(service, "single_puppet", stage.options, request_id=request_id))
            running = service.running.jobs[visit.job_id]
            await turns_until(lambda: len(running.callers) == (2 if begin is analyze else 1))  # noqa: B023
            for call in (first, second):
                assert running.control.error is None
                call.cancel()
                await asyncio.wait([call])
            if begin is submit:
                visit.give()
                assert (await running.task).status is SUCCESS
            else:
                assert reason_of(await running.task) is ErrorReason.CANCELLED


async def test_a_request_id_that_comes_by_analyze_and_by_submit(service: Service) -> None:
    """However they arrive, one job is made: also while the other is on its way to disk."""
    calls = []
    async with HeldWriter(service):
        for mode in (analyze, submit, analyze, submit):
            calls.append(asyncio.ensure_future(mode(service, "noop", request_id="by both")))
            await asyncio.sleep(0)
        await turns_until(lambda: bool(service.writer._waiting))
    jobs = await asyncio.gather(*calls)
    assert len({job.id for job in jobs}) == 1
    assert query(service, "SELECT count(*) FROM job WHERE request_id = 'by both'") == [(1,)]
    error = await refusal(analyze(service, "noop", {"other": 1}, request_id="by both"))
    assert (error.reason, error.details) == (ErrorReason.REQUEST_ID_REUSED, {"job_id": jobs[0].id})


async def test_a_cancel_that_is_marked_just_before_the_start(service: Service) -> None:
    """A mark in the row (another process's, say) that comes before the job's turn does not leave the job without an
    end.
    """
    async with Stage() as stage:
        busy = asyncio.ensure_future(analyze(service, "single_puppet", stage.options))
        visit = await stage.enter()
        call = asyncio.ensure_future(analyze(service, "single_puppet", stage.options, request_id="marked"))
        await turns_until(lambda: len(service.running.jobs) == 2)
        (job_id,) = set(service.running.jobs) - {visit.job_id}
        assert await service.store.request_cancel(job_id)
        visit.give()
        await busy
        cancel = asyncio.ensure_future(service.analysis.cancel(job_id, ANONYMOUS))
        assert reason_of(await cancel) is ErrorReason.CANCELLED
        assert reason_of(await call) is ErrorReason.CANCELLED


async def test_a_job_that_waits_too_long_expires(service: Service) -> None:
    """After its queue_timeout it ends FAILED with QUEUE_TIMEOUT and never runs; one without waits on."""
    async with Stage() as stage:
        await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        patient = await submit(service, "single_puppet", stage.options)
        hasty = await submit(service, "single_puppet", stage.options, queue_timeout_us=20_000)
        job = await ended(service, hasty.id)
        assert reason_of(job) is ErrorReason.QUEUE_TIMEOUT
        assert job.end_time_us >= job.create_time_us + 20_000
        assert history(service, job.id) == [(PENDING, 0), (RUNNING, 0), (FAILED, 0)]
        visit.give()
        visit = await stage.enter()
        assert visit.job_id == patient.id
        visit.give()
        assert (await ended(service, patient.id)).status is SUCCESS
        assert stage.visits == 2


async def test_a_queue_timeout_does_not_count_the_run(service: Service) -> None:
    """A job whose turn came in time is not expired while it runs, however long that takes."""
    async with Stage() as stage:
        job = await submit(service, "single_puppet", stage.options, queue_timeout_us=60_000_000)
        visit = await stage.enter()
        deadline = (await service.reader.get_job(job.id, None)).queue_deadline_us
        await service.expiry.expire(deadline + 1)
        visit.give()
        assert (await ended(service, job.id)).status is SUCCESS


async def test_many_deadlines_in_any_order(service: Service) -> None:
    """Deadlines that come while others pass are all kept: every job expires."""
    async with Stage() as stage:
        await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        jobs = []
        for number in range(60):
            queue_timeout_us = 1 + number * 7919 % 23 * 1000
            jobs.append(await submit(service, "single_puppet", stage.options, queue_timeout_us=queue_timeout_us))
        ends = await asyncio.gather(*(ended(service, job.id) for job in jobs))
        assert {reason_of(job) for job in ends} == {ErrorReason.QUEUE_TIMEOUT}
        visit.give()
        assert stage.visits == 1
