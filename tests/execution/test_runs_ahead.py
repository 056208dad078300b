"""Runs that are sent to a busy worker before it has answered: where runs are short, and never at a job's cost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobStatus
from runward_service.runtime.plugin_workers import PluginWorkers
from tests.harness.service import analyze, history, query, ready, result_of, running_service, submit, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.domain.job import Job
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("QuickPuppet", "SinglePuppet")
PENDING, RUNNING, SUCCESS, FAILED = JobStatus


async def known_as_short(service: Service) -> None:
    """Let the service learn that the plugin's runs are short."""
    entry = await service.registry.resolve("quick_puppet")
    while not service.pool.runs_ahead(entry):
        await analyze(service, "quick_puppet")


async def begun(service: Service, *options: dict[str, object]) -> list[asyncio.Task[Job]]:
    """Callers whose jobs have all got a slot, in order."""
    before = len(service.running.jobs)
    calls = [asyncio.ensure_future(analyze(service, "quick_puppet", one)) for one in options]
    await turns_until(lambda: len(service.running.jobs) == before + len(options))
    return calls


async def cancelling(service: Service, job_id: str) -> asyncio.Task[Job]:
    """A cancel that has reached its job."""
    await turns_until(lambda: query(service, "SELECT 1 FROM job WHERE id = ?", job_id) != [])
    control = service.running.jobs[job_id].control
    cancel = asyncio.ensure_future(service.analysis.cancel(job_id, ANONYMOUS))
    await turns_until(lambda: control.error is not None)
    return cancel


async def test_they_run_in_order_one_at_a_time(service: Service) -> None:
    """Of four runs that one worker was sent, each begins when the one before is over; all are its own."""
    await known_as_short(service)
    async with Stage() as stage:
        calls = await begun(service, *[stage.options] * 4)
        order = []
        for number in range(len(calls)):
            visit = await stage.enter()
            assert stage.visits == number + 1
            order.append(visit.job_id)
            visit.give(pid=visit.pid)
        jobs = await asyncio.gather(*calls)
    assert order == [job.id for job in jobs]
    assert len({result_of(job)["pid"] for job in jobs}) == 1


async def test_a_lost_worker_costs_only_the_run_that_it_made(service: Service) -> None:
    """The worker dies in its run: that job has lost its one attempt, those sent ahead run elsewhere in their first."""
    await known_as_short(service)
    async with Stage() as stage:
        calls = await begun(service, stage.options, {}, {})
        visit = await stage.enter()
        visit.die()
        lost, *others = await asyncio.gather(*calls)
    assert lost.error is not None
    assert (lost.status, lost.error.reason) == (FAILED, ErrorReason.WORKER_LOST)
    assert [(job.status, job.attempt) for job in others] == [(SUCCESS, 1)] * 2
    assert visit.pid not in {result_of(job)["pid"] for job in others}
    assert history(service, others[0].id) == [(PENDING, 0), (RUNNING, 1), (SUCCESS, 1)]


async def test_a_spoilt_worker_makes_no_further_run(service: Service) -> None:
    """A run that leaves a thread behind ends its worker; runs sent ahead are made by another one, in their first
    attempt.
    """
    await known_as_short(service)
    jobs = await asyncio.gather(*await begun(service, {"spoil": True}, {}, {}))
    spoilt, *others = [result_of(job)["pid"] for job in jobs]
    assert spoilt not in others
    assert [job.attempt for job in jobs] == [1, 1, 1]


async def test_a_run_that_waits_at_a_worker_is_cancelled(service: Service) -> None:
    """Its cancel waits until it would begin, ends it then, and harms neither the run before it nor the one after."""
    await known_as_short(service)
    async with Stage() as stage:
        calls = await begun(service, stage.options, stage.options, {})
        visit = await stage.enter()
        waiting = list(service.running.jobs)[-2]
        cancel = await cancelling(service, waiting)
        visit.give(first=True)
        first, cancelled, third = await asyncio.gather(*calls)
        assert (await cancel).id == cancelled.id
    assert cancelled.error is not None
    assert cancelled.error.reason is ErrorReason.CANCELLED
    assert result_of(first) == {"first": True}
    assert (third.status, third.attempt) == (SUCCESS, 1)


async def test_a_run_stopped_at_its_end_keeps_its_worker(service: Service) -> None:
    """A short run that is cancelled and ends by itself costs no worker: the next run has the same one."""
    await known_as_short(service)
    async with Stage() as stage:
        calls = await begun(service, stage.options)
        visit = await stage.enter()
        cancel = await cancelling(service, visit.job_id)
        visit.give()
        (job,) = await asyncio.gather(*calls)
        await cancel
    assert job.error is not None
    assert job.error.reason is ErrorReason.CANCELLED
    assert result_of(await analyze(service, "quick_puppet"))["pid"] == visit.pid


async def test_long_runs_are_not_sent_ahead(service: Service) -> None:
    """A plugin whose runs take longer gets one run a worker: further jobs stay PENDING until their turn."""
    async with Stage() as stage:
        first = await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        second = await submit(service, "single_puppet", stage.options)
        assert (await service.analysis.get_job(second.id, ANONYMOUS)).status is PENDING
        visit.give()
        (await stage.enter()).give()
    assert first.id == visit.job_id


async def test_another_plugin_gets_its_turn(tmp_path: Path) -> None:
    """With one worker allowed in all, a plugin that waits is not passed over by runs sent ahead."""
    async with Stage() as stage, running_service(tmp_path, *PLUGINS, workers=1) as service:
        await ready(service, "single_puppet")
        await known_as_short(service)
        calls = await begun(service, stage.options)
        visit = await stage.enter()
        options = {**stage.options, "plugin": "single_puppet"}
        calls.append(asyncio.ensure_future(analyze(service, "single_puppet", options)))
        calls += [asyncio.ensure_future(analyze(service, "quick_puppet", stage.options)) for _ in range(2)]
        plugins = ["quick_puppet"]
        for _ in range(3):
            visit.give()
            visit = await stage.enter()
            plugins.append(visit.options.get("plugin", "quick_puppet"))
        visit.give()
        await asyncio.gather(*calls)
    assert plugins.index("single_puppet") == 1


async def test_how_many_are_sent_ahead_hangs_on_how_short_they_are() -> None:
    """As many as take three milliseconds together, fifteen at most; none where a run takes longer than one."""
    workers = PluginWorkers(None, None)  # type: ignore[arg-type] # of neither anything is asked
    assert workers.runs_ahead == 0
    found = []
    for duration_us in (990, 500, 10, 900, 1_100):
        for _ in range(200):
            workers.note_duration(duration_us)
        found.append(workers.runs_ahead)
    assert found == [3, 5, 15, 3, 0]
