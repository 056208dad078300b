"""A database that cannot grow: refusals are typed, nothing is half stored, and a run is never asked for again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS, JobStatus
from tests.harness.service import PNG, analyze, ended, history, job_request, query, refusal, result_of, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Puppet",)


async def allow_pages(service: Service, pages: int) -> None:
    """Let the database grow to a number of pages; 1: not beyond its present size."""
    setting = f"PRAGMA max_page_count = {pages}"  # of a connection
    await service.writer.submit(lambda tx: tx.execute(setting).fetchone())
    service.loop_connection.row(setting, ())


async def test_a_submit_is_refused(service: Service) -> None:
    """STORE_UNAVAILABLE, which may be tried again, and nothing is stored; with room again the same request passes."""
    await service.registry.resolve("puppet")
    await allow_pages(service, 1)
    async with Stage() as stage:
        fields = {"image": PNG + bytes(200_000), "request_id": "no room"}
        error = await refusal(submit(service, "puppet", stage.options, **fields))
        assert error.reason is ErrorReason.STORE_UNAVAILABLE
        assert query(service, "SELECT (SELECT count(*) FROM job), count(*) FROM image") == [(0, 0)]
        await allow_pages(service, 1_000_000)
        job = await submit(service, "puppet", stage.options, **fields)
        (await stage.enter()).give()
        assert (await ended(service, job.id)).status is JobStatus.SUCCESS


async def test_a_refusal_by_a_rule_says_nothing_of_the_store(service: Service) -> None:
    """What an operation refuses in its transaction, such as to erase a job that is not there, is no failure."""
    await service.store_health.probe()
    await refusal(service.analysis.delete("00000000-0000-7000-8000-000000000000", ANONYMOUS))
    assert not service.store_health.failing


async def test_an_end_that_cannot_be_stored(service: Service) -> None:
    """A caller whose run is over and whose end finds no room gets INTERNAL, not UNAVAILABLE, after which its client
    would run the plugin again. The worker and the service go on.
    """
    async with Stage() as stage:
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options, request_id="big"))
        visit = await stage.enter()
        await allow_pages(service, 1)
        visit.give(text="x" * 1_000_000)
        error = await refusal(call)
        assert (error.reason, error.plugin) == (ErrorReason.INTERNAL, "puppet")
        assert error.details == {"job_id": visit.job_id}
        assert stage.visits == 1
        await allow_pages(service, 1_000_000)
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options))
        (await stage.enter()).give(well=True)
        assert result_of(await call) == {"well": True}


async def test_the_end_is_stored_later(service: Service) -> None:
    """A job whose end found no room does not stay RUNNING: its end is stored once there is room, without a second
    run.
    """
    async with Stage() as stage:
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options, request_id="later"))
        visit = await stage.enter()
        await allow_pages(service, 1)
        visit.give(text="y" * 1_000_000)
        await refusal(call)
        assert query(service, "SELECT status FROM job WHERE id = ?", visit.job_id) == [(JobStatus.RUNNING.value,)]
        await allow_pages(service, 1_000_000)
        job = await ended(service, visit.job_id)
        assert (job.status, job.attempt, stage.visits) == (JobStatus.SUCCESS, 1, 1)


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_caller_whose_job_could_not_be_created(service: Service, at_once: bool) -> None:
    """A caller's job is written with its start; where that fails it ran all the same, so its end is INTERNAL too,
    whether the end is in the same batch or a later one. With room, the next caller need not wait for health to come
    back.
    """
    await service.store_health.probe()
    await allow_pages(service, 1)
    async with Stage() as stage:
        image = PNG + bytes(200_001 + at_once)
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options, image=image))
        visit = await stage.enter()
        if not at_once:
            await service.writer.submit(lambda tx: None)
            assert service.store_health.failing
        visit.give()
        error = await refusal(call)
        assert error.reason is ErrorReason.INTERNAL
        assert query(service, "SELECT count(*) FROM job WHERE id = ?", visit.job_id) == [(0,)]
        await allow_pages(service, 1_000_000)
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options))
        (await stage.enter()).give(well=True)
        assert result_of(await call) == {"well": True}
        assert stage.visits == 2
        assert not service.store_health.failing
    assert query(service, "SELECT count(*) FROM image WHERE tenant = 'runward.probe'") == [(0,)]


async def test_a_waiting_caller_whose_job_could_not_be_created(service: Service) -> None:
    """A caller whose job found no room and ends before its turn, as in a drain, gets STORE_UNAVAILABLE: nothing ran,
    it may call again.
    """
    await service.store_health.probe()
    await allow_pages(service, 1)
    job, _ = await service.jobs.create_job(job_request("puppet", image=PNG + bytes(200_003)))
    await service.writer.submit(lambda tx: None)
    stop = GovernedError(ErrorReason.CANCELLED, "The server stops.")
    error = await refusal(service.jobs.end_unrun_job(job, stop))
    assert error.reason is ErrorReason.STORE_UNAVAILABLE
    await allow_pages(service, 1_000_000)


async def test_an_end_that_the_store_cannot_hold(service: Service) -> None:
    """Where a constraint refuses a job's end for ever, the caller gets INTERNAL and the job ends FAILED with the same,
    rather than stay RUNNING.
    """
    for change in ("INSERT", "UPDATE"):
        trigger = f"CREATE TRIGGER no_success_{change} BEFORE {change} ON job WHEN new.status = 3"
        sql = f"{trigger} BEGIN SELECT raise(ABORT, 'no success here'); END"
        await service.writer.submit(lambda tx, sql=sql: tx.execute(sql))
    async with Stage() as stage:
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options))
        visit = await stage.enter()
        visit.give(well=True)
        error = await refusal(call)
        assert error.reason is ErrorReason.INTERNAL
        job = await ended(service, visit.job_id)
        assert job.error is not None
        assert (job.status, job.error.reason) == (JobStatus.FAILED, ErrorReason.INTERNAL)
        for change in ("INSERT", "UPDATE"):
            await service.writer.submit(lambda tx, change=change: tx.execute(f"DROP TRIGGER no_success_{change}"))
        assert stage.visits == 1


@pytest.mark.parametrize("end", ["result", "lost worker"])
async def test_a_start_that_the_store_did_not_take(service: Service, end: str) -> None:
    """The store fails when a caller's job starts and takes writes again when it ends: start and end are stored then."""
    fault = "SELECT abs(-9223372036854775808)"
    trigger = f"CREATE TRIGGER no_start BEFORE UPDATE OF status ON job WHEN new.status = 2 BEGIN {fault}; END"
    await service.writer.submit(lambda tx: tx.execute(trigger))
    async with Stage() as stage:
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options))
        visit = await stage.enter()
        await service.writer.submit(lambda tx: tx.execute("DROP TRIGGER no_start"))
        assert history(service, visit.job_id) == [(JobStatus.PENDING, 0)]
        if end == "result":
            visit.give(well=True)
        else:
            visit.die()
        last = (await call).status
        assert last is (JobStatus.SUCCESS if end == "result" else JobStatus.FAILED)
        assert history(service, visit.job_id) == [(JobStatus.PENDING, 0), (JobStatus.RUNNING, 1), (last, 1)]
        assert stage.visits == 1
