"""Jobs that are claimed before there are slots for them: where runs are short, and never at a job's cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, Job, JobMode, JobStatus
from runward_service.execution import claimer
from tests.harness.service import analyze, ended, history, job_request, query, running_service, submit_batch
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service
    from tests.harness.stage import Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("QuickPuppet",)
PENDING, RUNNING, SUCCESS, FAILED = JobStatus
MANY = 120
HOURS = 10_000.0


async def known_as_short(service: Service) -> None:
    """Let the service learn that the plugin's runs are short."""
    entry = await service.registry.resolve("quick_puppet")
    while not service.pool.runs_ahead(entry):
        await analyze(service, "quick_puppet")


async def submitted(service: Service, *options: dict[str, object]) -> list[Job]:
    """Jobs of one call, in order."""
    requests = [job_request("quick_puppet", one, mode=JobMode.ASYNC) for one in options]
    jobs = await submit_batch(service, *requests)
    return [job for job in jobs if isinstance(job, Job)]


async def held_up(service: Service, stage: Stage) -> tuple[Visit, list[Job], list[str]]:
    """A run that waits for orders, all jobs with it, and which of the others were claimed and cannot be sent yet."""
    await known_as_short(service)
    jobs = await submitted(service, stage.options, *[{}] * MANY)
    visit = await stage.enter()
    held = service.scheduler._slots.queue("quick_puppet").held
    while len(held) <= held.ready:  # until a claim has taken all that it may
        await service.store.flush()
    return visit, jobs, [job.id for job in held._jobs]


async def test_they_are_claimed_in_order_each_once(service: Service) -> None:
    """Of many, each goes through its three statuses in its first attempt, claimed in the order in which they came."""
    await known_as_short(service)
    jobs = await submitted(service, *[{}] * MANY)
    assert [(await ended(service, job.id)).status for job in jobs] == [SUCCESS] * MANY
    assert all(history(service, job.id) == [(PENDING, 0), (RUNNING, 1), (SUCCESS, 1)] for job in jobs)
    sql = "SELECT id FROM job JOIN job_event e ON job_seq = seq WHERE mode = 2 AND e.status = 2 ORDER BY e.revision"
    ids = [job_id for (job_id,) in query(service, sql)]
    assert ids[-MANY:] == [job.id for job in jobs]
    assert query(service, "SELECT * FROM claimed_ahead") == []


async def test_what_was_claimed_ahead_is_cancelled_at_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cancel does not wait for the run before it; it has made no run."""
    monkeypatch.setattr(claimer, "HELD_SECONDS", HOURS)
    async with Stage() as stage:
        visit, jobs, held = await held_up(service, stage)
        cancelled = await service.analysis.cancel(held[-1], ANONYMOUS)
        assert cancelled.error is not None
        assert (cancelled.status, cancelled.error.reason) == (FAILED, ErrorReason.CANCELLED)
        visit.give()
        ends = [await ended(service, job.id) for job in jobs if job.id != cancelled.id]
    assert {job.status for job in ends} == {SUCCESS}


async def test_what_no_slot_comes_for_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a run that takes long, any process may claim it; no attempt of it was lost, and it runs at last."""
    monkeypatch.setattr(claimer, "HELD_SECONDS", 0.0)
    async with Stage() as stage, running_service(tmp_path, *PLUGINS) as service:
        await known_as_short(service)
        jobs = await submitted(service, stage.options, *[{}] * MANY)
        visit = await stage.enter()
        sql = "SELECT count(*) FROM job WHERE claimable = 1 AND status = 2 AND owner = ''"
        while query(service, sql) == [(0,)]:
            await service.store.flush()
        visit.give()
        ends = [await ended(service, job.id) for job in jobs]
    assert {job.status for job in ends} == {SUCCESS}
    assert {job.lost_attempts for job in ends} == {0}


async def test_a_drain_gives_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stops leaves what it has claimed ahead to the next one, which runs it."""
    monkeypatch.setattr(claimer, "HELD_SECONDS", HOURS)
    async with Stage() as stage:
        async with running_service(tmp_path, *PLUGINS, workers=1) as service:
            _, jobs, held = await held_up(service, stage)
        async with running_service(tmp_path, *PLUGINS, workers=1) as service:
            (await stage.enter()).give()
            ends = {job.id: await ended(service, job.id) for job in jobs}
            assert {job.status for job in ends.values()} == {SUCCESS}
            assert {ends[job_id].lost_attempts for job_id in held} == {0}
