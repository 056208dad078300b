"""Who runs when: priority, turns, slots, full queues, and a drain."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobStatus
from runward_service.domain.limits import WAITING_CALLS
from runward_service.execution.scheduler import cancelled_error
from runward_service.execution.slot import Place
from runward_service.runtime.run_control import RunControl
from tests.harness.service import analyze, changes, ended, history, query, refusal, running_service, submit, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
TWO = dataclasses.replace(WAITING_CALLS, count=2)
PLUGINS = ("SinglePuppet", "Puppet")
PENDING, RUNNING, SUCCESS, FAILED = JobStatus


async def test_priority_then_age(service: Service) -> None:
    """Waiting jobs of a plugin run by priority, highest first, and the oldest first among equals."""
    async with Stage() as stage:
        await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        priorities = [0, 5, -3, 5, 0, 1000, -1000]
        jobs = [await submit(service, "single_puppet", stage.options, priority=number) for number in priorities]
        order = []
        for _ in jobs:
            visit.give()
            visit = await stage.enter()
            order.append(visit.job_id)
        visit.give()
        await ended(service, visit.job_id)
    assert order == [jobs[index].id for index in (5, 1, 3, 0, 4, 2, 6)]


async def test_calls_are_counted_apart(service: Service) -> None:
    """A job is under way for a caller that waits, running or waiting for its slot; one that was submitted is not."""
    async with Stage() as stage:
        submitted = await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        assert (len(service.running.jobs), service.running.calls) == (1, 0)
        call = asyncio.ensure_future(analyze(service, "single_puppet", stage.options))
        await turns_until(lambda: len(service.running.jobs) == 2)
        assert service.running.calls == 1
        visit.give()
        await ended(service, submitted.id)
        visit = await stage.enter()
        await turns_until(lambda: len(service.running.jobs) == 1)
        assert service.running.calls == 1
        visit.give()
        assert (await call).status is SUCCESS
        await turns_until(lambda: not service.running.jobs)
        assert service.running.calls == 0


async def test_callers_and_stored_jobs_take_turns(service: Service) -> None:
    """Neither kind starves the other: with both waiting for one slot they run in turns."""
    async with Stage() as stage:
        await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        calls = [asyncio.ensure_future(analyze(service, "single_puppet", stage.options)) for _ in range(3)]
        submitted = [await submit(service, "single_puppet", stage.options) for _ in range(3)]
        kinds = []
        for _ in range(6):
            visit.give()
            visit = await stage.enter()
            kinds.append("stored" if visit.job_id in {job.id for job in submitted} else "caller")
        visit.give()
        await asyncio.gather(*calls, *(ended(service, job.id) for job in submitted))
    assert kinds in (["stored", "caller"] * 3, ["caller", "stored"] * 3)


async def test_a_plugin_runs_as_many_as_it_allows(service: Service) -> None:
    """Two at once for concurrency 2; the third starts when a slot comes back."""
    async with Stage() as stage:
        jobs = [await submit(service, "puppet", stage.options) for _ in range(3)]
        visits = [await stage.enter(), await stage.enter()]
        entry = await service.registry.resolve("puppet")
        assert entry.in_flight == 2
        assert query(service, "SELECT count(*) FROM job WHERE status = 1") == [(1,)]
        visits[0].give()
        third = await stage.enter()
        assert entry.in_flight == 2
        visits[1].give()
        third.give()
        assert {(await ended(service, job.id)).status for job in jobs} == {SUCCESS}


async def test_workers_bound_all_plugins_together(tmp_path: Path) -> None:
    """With one slot in all, a run of one plugin keeps another's waiting, which then starts."""
    async with Stage() as stage, running_service(tmp_path, *PLUGINS, workers=1) as service:
        first = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        second = await submit(service, "single_puppet", stage.options)
        await service.registry.resolve("single_puppet")
        assert query(service, "SELECT status FROM job WHERE id = ?", second.id) == [(1,)]
        visit.give()
        following = await stage.enter()
        assert following.job_id == second.id
        following.give()
        assert (await ended(service, first.id)).status is (await ended(service, second.id)).status is SUCCESS


async def test_a_full_queue_refuses(tmp_path: Path) -> None:
    """Of a burst of calls one runs, as many wait as may, and the others are refused at once; of those nothing is
    stored.
    """
    async with Stage() as stage, running_service(tmp_path, "SinglePuppet", waiting_calls=TWO) as service:
        running = asyncio.ensure_future(analyze(service, "single_puppet", stage.options))
        visit = await stage.enter()
        calls = [asyncio.ensure_future(analyze(service, "single_puppet", stage.options)) for _ in range(10)]
        for call in calls[2:]:
            error = await refusal(call)
            assert (error.reason, error.details["limit"]) == (ErrorReason.QUEUE_FULL, 2)
        visit.give()
        for _ in range(2):
            (await stage.enter()).give()
        ends = await asyncio.gather(running, *calls, return_exceptions=True)
        assert [end.status for end in ends if not isinstance(end, GovernedError)] == [SUCCESS] * 3
        assert query(service, "SELECT count(*) FROM job") == [(3,)]
        following = asyncio.ensure_future(analyze(service, "single_puppet", stage.options))
        (await stage.enter()).give()
        assert (await following).status is SUCCESS


async def test_a_caller_that_leaves_as_its_turn_comes(service: Service) -> None:
    """Stopped in the very moment in which a slot comes back, a waiting caller's job ends CANCELLED and the slot goes
    on.
    """
    await service.registry.resolve("single_puppet")
    place = Place("single_puppet", ("default", "anonymous"), 1)
    service.scheduler.enter(place)
    slot = await service.scheduler.slot(place, RunControl())
    async with Stage() as stage:
        calls = [asyncio.ensure_future(analyze(service, "single_puppet", stage.options)) for _ in range(2)]
        await turns_until(lambda: len(service.scheduler._slots.queue("single_puppet").callers) == 2)
        first, second = service.running.jobs.values()
        first.control.stop(cancelled_error())
        slot.free()
        visit = await stage.enter()
        visit.give()
        ends = await asyncio.gather(*calls)
        assert [end.status for end in ends] == [FAILED, SUCCESS]
        assert ends[0].error is not None
        assert ends[0].error.reason is ErrorReason.CANCELLED
        assert second.task.result().id == visit.job_id


async def test_a_drain_refuses_and_waits(tmp_path: Path) -> None:
    """New work gets DRAINING, running jobs may end, waiting stored jobs stay PENDING for the next start."""
    async with Stage() as stage:
        async with running_service(tmp_path, "SinglePuppet") as service:
            first = await submit(service, "single_puppet", stage.options)
            visit = await stage.enter()
            second = await submit(service, "single_puppet", stage.options)
            drain = asyncio.ensure_future(service.scheduler.drain(60))
            await turns_until(lambda: bool(service.scheduler._stopping))
            for call in (analyze(service, "single_puppet"), submit(service, "single_puppet")):
                assert (await refusal(call)).reason is ErrorReason.DRAINING
            assert not drain.done()
            visit.give()
            await drain
            assert query(service, "SELECT id, status FROM job ORDER BY seq") == [(first.id, 3), (second.id, 1)]
        async with running_service(tmp_path, "SinglePuppet") as service:
            visit = await stage.enter()
            assert (visit.job_id, visit.attempt) == (second.id, 1)
            visit.give()
            assert (await ended(service, second.id)).status is SUCCESS


async def test_a_drain_that_cannot_wait(tmp_path: Path) -> None:
    """What still runs after the grace: a stored job is given back and runs again, no attempt lost; a caller's ends
    INTERRUPTED.
    """
    async with Stage() as stage:
        async with running_service(tmp_path, "SinglePuppet", "Puppet") as service:
            job = await submit(service, "single_puppet", stage.options)
            first = await stage.enter()
            call = asyncio.ensure_future(analyze(service, "puppet", stage.options))
            second = await stage.enter()
            await service.drain(0)
            await first.gone()
            await second.gone()
            failed = await call
            assert failed.error is not None
            assert (failed.status, failed.error.reason) == (FAILED, ErrorReason.INTERRUPTED)
            assert query(service, "SELECT status, owner, claimable, lost_attempts FROM job WHERE id = ?", job.id) == [
                (2, "", 1, 0)
            ]
        async with running_service(tmp_path, "SinglePuppet") as service:
            visit = await stage.enter()
            assert (visit.job_id, visit.attempt) == (job.id, 2)
            visit.give()
            assert (await ended(service, job.id)).status is SUCCESS
            assert history(service, job.id) == [(PENDING, 0), (RUNNING, 1), (RUNNING, 2), (SUCCESS, 2)]


async def test_a_watch_ends_when_the_server_stops(tmp_path: Path) -> None:
    """A watcher of an unfinished job is told DRAINING, not left hanging, and resumes on the next server."""
    async with Stage() as stage:
        async with running_service(tmp_path, "SinglePuppet") as service:
            job = await submit(service, "single_puppet", stage.options)
            await stage.enter()
            updates = changes(service, job.id)
            seen = [await anext(updates), await anext(updates)]
            assert [update.status for update in seen] == [PENDING, RUNNING]
            waiting = asyncio.ensure_future(anext(updates))
            await service.drain(0)
            assert (await refusal(waiting)).reason is ErrorReason.DRAINING
        async with running_service(tmp_path, "SinglePuppet") as service:
            (await stage.enter()).give()
            rest = [u async for u in changes(service, job.id, seen[-1].revision)]
            assert [(update.status, update.attempt) for update in rest] == [(RUNNING, 2), (SUCCESS, 2)]
