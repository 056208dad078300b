"""Attempts: delegation exactly once each, what is made again and what is not."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS, JobMode, JobStatus
from runward_service.execution import attempts
from runward_service.runtime.run_control import RunControl
from tests.harness.service import alter, analyze, changes, ended, history, query, refusal, result_of, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Puppet", "SinglePuppet", "StubbornPuppet", "Hostile")
PENDING, RUNNING, SUCCESS, FAILED = JobStatus


async def begin(service: Service, mode: JobMode, stage: Stage, plugin: str = "puppet") -> asyncio.Task[object]:
    """Analyze or submit and follow to the end."""
    if mode is JobMode.SYNC:
        return asyncio.ensure_future(analyze(service, plugin, stage.options))
    job = await submit(service, plugin, stage.options)
    return asyncio.ensure_future(ended(service, job.id))


@pytest.mark.parametrize("mode", list(JobMode))
async def test_delegation_exactly_once(service: Service, mode: JobMode) -> None:
    """One job, one run of the plugin: by its own evidence, with the job's id and attempt 1."""
    async with Stage() as stage:
        calls = [await begin(service, mode, stage) for _ in range(6)]
        seen = []
        for _ in calls:
            visit = await stage.enter()
            seen.append((visit.job_id, visit.attempt))
            visit.give(said=visit.job_id)
        jobs = await asyncio.gather(*calls)
        assert stage.visits == 6
    assert sorted(seen) == sorted((job.id, 1) for job in jobs)
    assert [result_of(job) for job in jobs] == [{"said": job.id} for job in jobs]


@pytest.mark.parametrize("mode", list(JobMode))
async def test_a_lost_worker_is_made_good(service: Service, mode: JobMode) -> None:
    """The worker dies in attempt 1: the job stays RUNNING, attempt 2 succeeds, and its history has both."""
    async with Stage() as stage:
        call = await begin(service, mode, stage)
        first = await stage.enter()
        first.die()
        second = await stage.enter()
        assert (second.job_id, second.attempt) == (first.job_id, 2)
        assert second.pid != first.pid
        second.give(attempt=2)
        job = await call
        assert stage.visits == 2
    assert (job.status, job.attempt) == (SUCCESS, 2)
    assert history(service, job.id) == [(PENDING, 0), (RUNNING, 1), (RUNNING, 2), (SUCCESS, 2)]


@pytest.mark.parametrize("mode", list(JobMode))
async def test_lost_workers_use_the_attempts_up(service: Service, mode: JobMode) -> None:
    """With every attempt lost the job ends FAILED with WORKER_LOST and how the process ended; no third is made."""
    async with Stage() as stage:
        call = await begin(service, mode, stage)
        (await stage.enter()).die()
        (await stage.enter()).die()
        job = await call
        assert stage.visits == 2
    assert job.error is not None
    assert (job.status, job.attempt, job.error.reason) == (FAILED, 2, ErrorReason.WORKER_LOST)
    assert job.error.details == {"exit_code": 7}
    assert "exit code 7" in job.error.message
    assert history(service, job.id) == [(PENDING, 0), (RUNNING, 1), (RUNNING, 2), (FAILED, 2)]


async def test_a_cancel_that_a_lost_worker_overtook(service: Service) -> None:
    """A worker is lost, and before that is known to its end the job is cancelled: it ends CANCELLED, for without the
    cancel another attempt would have been made.
    """
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        (worker,) = (worker for group in service.pool._plugins.values() for worker in group.workers if worker.runs)
        visit.die()
        await worker.lost
        service.running.jobs[job.id].control.stop(GovernedError(ErrorReason.CANCELLED, "The job was cancelled."))
        cancelled = await ended(service, job.id)
        assert stage.visits == 1
    assert cancelled.error is not None
    assert (cancelled.status, cancelled.error.reason) == (FAILED, ErrorReason.CANCELLED)
    assert history(service, job.id) == [(PENDING, 0), (RUNNING, 1), (FAILED, 1)]


async def test_a_run_that_comes_as_an_idle_worker_ends(service: Service) -> None:
    """A run looks for a worker in the very turn of the loop in which the idle one is found to have ended: that one is
    replaced all the same, and the run is made.
    """
    async with Stage() as stage:
        call = await begin(service, JobMode.SYNC, stage, "single_puppet")
        (await stage.enter()).give()
        await call
        (group,) = (group for group in service.pool._plugins.values() if group.entry.name == "single_puppet")
        (worker,) = group.workers
        worker.connection_lost()  # as its socket tells it, before anybody has heard
        assert group.take() is None
        call = await begin(service, JobMode.SYNC, stage, "single_puppet")
        (await stage.enter()).give(well=True)
        assert result_of(await call) == {"well": True}
        assert worker not in group.workers


async def test_a_plugin_may_allow_one_attempt(service: Service) -> None:
    """max_attempts 1: the first loss is the end."""
    async with Stage() as stage:
        job = await submit(service, "single_puppet", stage.options)
        (await stage.enter()).die()
        found = await ended(service, job.id)
        assert stage.visits == 1
    assert found.error is not None
    assert (found.attempt, found.error.reason) == (1, ErrorReason.WORKER_LOST)


async def test_progress_of_a_second_attempt_is_stored(service: Service) -> None:
    """A new attempt starts without progress, and its own reports reach the job."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        visit.progress(0.75, "first")
        updates = changes(service, job.id)
        await until_progress(updates, "first")
        visit.die()
        visit = await stage.enter()
        assert (await service.reader.get_job(job.id, None)).progress_fraction is None
        visit.progress(0.25, "second")
        update = await until_progress(updates, "second")
        assert (update.attempt, update.progress_fraction) == (2, 0.25)
        visit.give()
        assert [update.status async for update in updates][-1] is SUCCESS


async def until_progress(updates: object, message: str) -> object:
    """Follow a watch until it tells of a progress report."""
    async for update in updates:  # type: ignore[attr-defined]
        assert not update.status.terminal
        if update.progress_message == message:
            return update
    raise AssertionError("the watch ended")


@pytest.mark.parametrize("order", ["raise", "refuse", "invalid output"])
async def test_the_plugins_own_failure_is_final(service: Service, order: str) -> None:
    """What the plugin raised or returned would come again: one attempt."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        if order == "raise":
            visit.fail()
        elif order == "refuse":
            visit.refuse("no")
        else:
            visit.writer.write(b'{"do": "return", "value": 3}\n')
        found = await ended(service, job.id)
        assert stage.visits == 1
    assert (found.status, found.attempt) == (FAILED, 1)


async def test_a_timeout_is_final_and_kills(service: Service) -> None:
    """A run over its time ends FAILED with TIMEOUT after one attempt, and its process is gone before that is stored."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options, timeout_us=50_000)
        visit = await stage.enter()
        found = await ended(service, job.id)
        await visit.gone()
        assert stage.visits == 1
    assert found.error is not None
    assert (found.attempt, found.error.reason) == (1, ErrorReason.TIMEOUT)
    assert found.error.details == {"timeout_seconds": 0.05}
    assert found.end_time_us - found.start_time_us >= 50_000


async def test_the_memory_limit_is_final(service: Service) -> None:
    """A run over the plugin's memory ends FAILED with MEMORY_LIMIT after one attempt; the next run is well."""
    job = await analyze(service, "hostile", {"how": "memory"})
    assert job.error is not None
    assert (job.status, job.attempt, job.error.reason) == (FAILED, 1, ErrorReason.MEMORY_LIMIT)
    assert job.error.details == {"limit_bytes": 192 * 1024 * 1024}
    assert (await analyze(service, "hostile")).status is SUCCESS


async def test_a_cancel_between_attempts_is_final(service: Service) -> None:
    """A cancel that comes when the worker has just died ends the job CANCELLED; it is not run again."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        updates = changes(service, job.id)
        visit.die()
        async for update in updates:
            if update.attempt == 2:
                break
        found = await service.analysis.cancel(job.id, ANONYMOUS)
        await updates.aclose()
    assert found.error is not None
    assert (found.status, found.error.reason) == (FAILED, ErrorReason.CANCELLED)


async def test_a_retry_policy_makes_another_attempt(service: Service) -> None:
    """An exception that retry_on names is followed by another attempt, RUNNING all the while, and every attempt's
    traceback is kept; the counters know of the end alone.
    """
    before = query(service, "SELECT success_count, error_count FROM plugin_counter WHERE plugin = 'stubborn_puppet'")
    async with Stage() as stage:
        job = await submit(service, "stubborn_puppet", stage.options)
        first = await stage.enter()
        first.fail("once")
        second = await stage.enter()
        assert (second.job_id, second.attempt, second.pid) == (job.id, 2, first.pid)
        second.refuse("twice")
        (await stage.enter()).give(well=True)
        found = await ended(service, job.id)
    assert (found.status, found.attempt, result_of(found)) == (SUCCESS, 3, {"well": True})
    assert history(service, job.id) == [(PENDING, 0), (RUNNING, 1), (RUNNING, 2), (RUNNING, 3), (SUCCESS, 3)]
    kept = await service.reader.tracebacks(job.id)
    assert [(attempt, text.splitlines()[-1]) for attempt, text in kept] == [
        (1, "RuntimeError: once"),
        (2, "runward_service.plugins.base.PluginError: twice"),
    ]
    after = query(service, "SELECT success_count, error_count FROM plugin_counter WHERE plugin = 'stubborn_puppet'")
    assert (before, after) == ([], [(1, 0)])


async def test_a_retry_policy_has_an_end(service: Service) -> None:
    """Lost and failed attempts count together: after max_attempts the job ends FAILED with what the last one came
    to.
    """
    async with Stage() as stage:
        job = await submit(service, "stubborn_puppet", stage.options)
        (await stage.enter()).fail()
        (await stage.enter()).die()
        (await stage.enter()).refuse("enough", tries=3)
        found = await ended(service, job.id)
        assert stage.visits == 3
    assert found.error is not None
    assert (found.status, found.attempt, found.error.reason) == (FAILED, 3, ErrorReason.PLUGIN_RAISED)
    assert (found.error.message, found.error.details) == ("enough", {"tries": 3})


@pytest.mark.parametrize("order", ["invalid input", "invalid output", "timeout"])
async def test_what_no_retry_policy_repeats(service: Service, order: str) -> None:
    """InvalidInput, though a PluginError, an output that is refused and a timeout are final."""
    async with Stage() as stage:
        fields = {"timeout_us": 100_000} if order == "timeout" else {}
        job = await submit(service, "stubborn_puppet", stage.options, **fields)
        visit = await stage.enter()
        if order == "invalid input":
            visit.give(invalid=True)
        elif order == "invalid output":
            visit.writer.write(b'{"do": "return", "value": 3}\n')
        found = await ended(service, job.id)
        assert stage.visits == 1
    assert (found.status, found.attempt) == (FAILED, 1)


async def test_a_cancel_ends_the_pause_between_attempts(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the pause, a cancel within it ends the job at once, and its slot goes to the next one."""
    monkeypatch.setattr(attempts, "BACKOFF_SECONDS", 3600.0)
    monkeypatch.setattr(attempts, "LONGEST_BACKOFF_SECONDS", 3600.0)
    async with Stage() as stage:
        job = await submit(service, "stubborn_puppet", stage.options)
        updates = changes(service, job.id)
        (await stage.enter()).fail()
        async for update in updates:
            if update.attempt == 2:
                break
        await updates.aclose()
        found = await service.analysis.cancel(job.id, ANONYMOUS)
        assert found.error is not None
        assert (found.status, found.attempt, found.error.reason) == (FAILED, 2, ErrorReason.CANCELLED)
        following = await submit(service, "stubborn_puppet", stage.options)
        (await stage.enter()).give()
        assert (await ended(service, following.id)).status is SUCCESS
        assert stage.visits == 2


@pytest.mark.parametrize("how", ["give", "fail"])
async def test_a_finished_job_is_not_run_again(service: Service, how: str) -> None:
    """run_job refuses a job that is not RUNNING for this process; the plugin hears nothing of it."""
    async with Stage() as stage:
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options))
        getattr(await stage.enter(), how)()
        job = await call
        error = await refusal(service.jobs.run_job(job, RunControl(), lambda: None))
        assert error.reason is ErrorReason.JOB_STATUS_CONFLICT
        assert error.details == {"status": job.status.name, "job_id": job.id}
        assert stage.visits == 1
    assert (await service.reader.get_job(job.id, None))._replace(receipt=None) == job._replace(
        image=dataclasses.replace(job.image, data=None),
        error=job.error and dataclasses.replace(job.error, traceback=""),
    )


async def test_a_job_of_another_owner_is_not_run(service: Service) -> None:
    """Nor is a RUNNING job that another process owns."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        foreign = (await service.reader.get_job(job.id, None))._replace(owner="another")
        error = await refusal(service.jobs.run_job(foreign, RunControl(), lambda: None))
        assert error.reason is ErrorReason.JOB_STATUS_CONFLICT
        visit.give()
        assert (await ended(service, job.id)).status is SUCCESS
        assert stage.visits == 1


async def test_a_finish_is_fenced_by_the_owner(service: Service) -> None:
    """A process that no longer owns the job (its lease was taken) writes nothing when its run ends."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        alter(service, "UPDATE job SET owner = 'thief' WHERE id = ?", job.id)
        task = service.running.jobs[job.id].task
        before = query(service, "SELECT success_count, error_count FROM plugin_counter WHERE plugin = 'puppet'")
        visit.give()
        assert (await task).status is RUNNING
        assert query(service, "SELECT status, owner FROM job WHERE id = ?", job.id) == [(2, "thief")]
        assert query(service, "SELECT success_count, error_count FROM plugin_counter WHERE plugin = 'puppet'") == before
        alter(service, "UPDATE job SET owner = ? WHERE id = ?", service.info.owner, job.id)
