"""Equal jobs at the same time: one of them runs, the others follow it, each with its own timeout and cancel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, Job, JobStatus
from runward_service.domain.verification import Verdict
from runward_service.execution.scheduler import MOST_LENT
from tests.harness.service import analyze, ended, query, result_of, running_service, submit, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.runtime.shared_run import SharedRun
    from runward_service.service import Service

PLUGINS = ("Understudy",)
pytestmark = pytest.mark.asyncio(loop_scope="module")
SUCCESS, FAILED = JobStatus.SUCCESS, JobStatus.FAILED


def shared_runs(service: Service) -> list[SharedRun]:
    """The runs under way that equal jobs share."""
    return list(service.jobs._plugins._tool_runner._cache._runs.values())


async def followed(service: Service, count: int) -> None:
    """Wait until so many jobs follow another's run."""
    await turns_until(lambda: following(service) == count)


def following(service: Service) -> int:
    """How many jobs follow another's run."""
    return sum(len(run._followers) for run in shared_runs(service))


async def all_ended(service: Service, jobs: list[Job]) -> list[Job]:
    """Submitted jobs at their ends."""
    return [await ended(service, job.id) for job in jobs]


async def test_a_hundred_equal_calls_make_one_run(service: Service) -> None:
    """A hundred jobs, one of them not cached; all have the same output; nothing of the sharing is left."""
    async with Stage() as stage:
        calls = [asyncio.ensure_future(analyze(service, "understudy", stage.options)) for _ in range(100)]
        visit = await stage.enter()
        await followed(service, 99)
        visit.give(answer=42)
        jobs = await asyncio.gather(*calls)
        assert stage.visits == 1
        assert len({job.id for job in jobs}) == 100
        assert {job.status for job in jobs} == {SUCCESS}
        assert {job.output_digest for job in jobs} == {jobs[0].output_digest}
        assert sorted(job.cached for job in jobs) == [False] + [True] * 99
        assert shared_runs(service) == []
        assert query(service, "SELECT count(*) FROM job WHERE status <> 3") == [(0,)]


async def test_a_hundred_equal_submitted_jobs_make_one_run(service: Service) -> None:
    """Those that follow hold no slot, and no more of them are claimed than may be in memory."""
    async with Stage() as stage:
        jobs = [await submit(service, "understudy", stage.options) for _ in range(100)]
        visit = await stage.enter()
        queue = service.scheduler._slots.queues["understudy"]
        await turns_until(lambda: queue.lent >= MOST_LENT and not queue.claiming and queue.taken == 1)
        assert following(service) == queue.lent <= MOST_LENT + 2
        other = await submit(service, "understudy", stage.options | {"other": True})
        assert other.status is JobStatus.PENDING
        visit.give(answer=42)
        done = await all_ended(service, jobs)
        assert sorted(job.cached for job in done) == [False] + [True] * 99
        (await stage.enter()).give()
        assert not (await ended(service, other.id)).cached
        assert stage.visits == 2
        assert (queue.lent, queue.taken) == (0, 0)


async def test_those_that_follow_leave_the_slots_to_others(service: Service) -> None:
    """A call with another input runs beside them."""
    async with Stage() as stage:
        calls = [asyncio.ensure_future(analyze(service, "understudy", stage.options)) for _ in range(20)]
        visit = await stage.enter()
        await followed(service, 19)
        other = asyncio.ensure_future(analyze(service, "understudy", stage.options | {"other": True}))
        (await stage.enter()).give(answer="other")
        assert result_of(await other) == {"answer": "other"}
        visit.give(answer="all")
        assert {job.output_digest for job in await asyncio.gather(*calls)} != {(await other).output_digest}


async def test_a_cancel_ends_one_that_follows_alone(service: Service) -> None:
    """So does its own timeout; the run and the others go on."""
    async with Stage() as stage:
        leader = asyncio.ensure_future(analyze(service, "understudy", stage.options))
        visit = await stage.enter()
        follower = await submit(service, "understudy", stage.options)
        hurried = asyncio.ensure_future(analyze(service, "understudy", stage.options, timeout_us=50_000))
        patient = asyncio.ensure_future(analyze(service, "understudy", stage.options))
        await followed(service, 3)
        cancelled = await service.analysis.cancel(follower.id, ANONYMOUS)
        assert cancelled.error is not None
        assert cancelled.error.reason is ErrorReason.CANCELLED
        late = await hurried
        assert late.error is not None
        assert (late.error.reason, late.attempt) == (ErrorReason.TIMEOUT, 1)
        visit.give(answer=1)
        assert ((await leader).status, (await leader).cached) == (SUCCESS, False)
        assert ((await patient).status, (await patient).cached) == (SUCCESS, True)
        assert stage.visits == 1


async def test_a_leader_that_is_cancelled_is_followed_by_one(service: Service) -> None:
    """The one that has followed longest runs; the others go on following."""
    async with Stage() as stage:
        leader = await submit(service, "understudy", stage.options)
        visit = await stage.enter()
        calls = [asyncio.ensure_future(analyze(service, "understudy", stage.options)) for _ in range(10)]
        await followed(service, 10)
        await service.analysis.cancel(leader.id, ANONYMOUS)
        await visit.gone()
        next_visit = await stage.enter()
        await followed(service, 9)
        next_visit.give(answer=1)
        jobs = await asyncio.gather(*calls)
        assert [job.cached for job in jobs] == [False] + [True] * 9
        assert stage.visits == 2


async def test_a_caller_that_hangs_up_hands_on(service: Service) -> None:
    """Its job is cancelled, and another one's run is not harmed."""
    async with Stage() as stage:
        leader = asyncio.ensure_future(analyze(service, "understudy", stage.options))
        visit = await stage.enter()
        follower = asyncio.ensure_future(analyze(service, "understudy", stage.options))
        await followed(service, 1)
        leader.cancel()
        await visit.gone()
        (await stage.enter()).give()
        assert (await follower).status is SUCCESS


async def test_failures_are_not_shared(service: Service) -> None:
    """Where the leader's run fails, one that follows runs for itself, and so on; nobody is stuck."""
    async with Stage() as stage:
        calls = [asyncio.ensure_future(analyze(service, "understudy", stage.options)) for _ in range(4)]
        for left in (3, 2):
            visit = await stage.enter()
            await followed(service, left)
            visit.refuse("The lamp is broken.")
        (await stage.enter()).give()
        ends = [job.status for job in await asyncio.gather(*calls)]
        assert ends == [FAILED, FAILED, SUCCESS, SUCCESS]
        assert stage.visits == 3


async def test_a_submitted_job_that_leads_takes_a_slot_again(service: Service) -> None:
    """Those that follow have lent theirs to another job; the next to lead gets one, and at the end all are back."""
    async with Stage() as stage:
        jobs = [await submit(service, "understudy", stage.options) for _ in range(3)]
        leader = await stage.enter()
        await followed(service, 2)
        queue = service.scheduler._slots.queues["understudy"]
        await turns_until(lambda: (queue.taken, queue.lent, queue.claiming) == (1, 2, False))
        others = [await submit(service, "understudy", stage.options | {"other": number}) for number in range(2)]
        busy = [await stage.enter() for _ in others]
        leader.refuse("The lamp is broken.")
        second = await stage.enter()
        assert second.job_id in {job.id for job in jobs}
        second.give(answer=1)
        for visit in busy:
            visit.give(answer=2)
        ends = await all_ended(service, jobs)
        assert sorted(job.status for job in ends) == [SUCCESS, SUCCESS, FAILED]
        assert {job.status for job in await all_ended(service, others)} == {SUCCESS}
        assert stage.visits == 4
        await turns_until(lambda: (queue.lent, queue.taken, queue.running) == (0, 0, 0))


async def test_a_leader_that_is_lost_follows_its_follower(service: Service) -> None:
    """Its next attempt finds another run under way; both succeed with two runs in all."""
    async with Stage() as stage:
        leader = asyncio.ensure_future(analyze(service, "understudy", stage.options))
        visit = await stage.enter()
        follower = asyncio.ensure_future(analyze(service, "understudy", stage.options))
        await followed(service, 1)
        visit.die()
        second = await stage.enter()
        await followed(service, 1)
        second.give(answer=1)
        lost, led = await leader, await follower
        assert (lost.status, lost.attempt, lost.cached) == (SUCCESS, 2, True)
        assert (led.status, led.attempt, led.cached) == (SUCCESS, 1, False)
        assert stage.visits == 2


async def test_those_that_follow_are_not_stuck_where_caching_is_turned_off_meanwhile(tmp_path: Path) -> None:
    """A verification diverges while they follow, and then their leader fails: one after another leads, and all end."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        first = asyncio.ensure_future(analyze(service, "understudy", stage.options | {"other": True}))
        (await stage.enter()).give(answer=1)
        calls = [asyncio.ensure_future(analyze(service, "understudy", stage.options)) for _ in range(4)]
        leader = await stage.enter()
        await followed(service, 3)
        verification = asyncio.ensure_future(service.analysis.verify((await first).id, ANONYMOUS))
        (await stage.enter()).give(answer=2)
        assert (await verification).verdict is Verdict.DIVERGED
        leader.refuse("The lamp is broken.")
        (await stage.enter()).give(answer=1)
        assert [job.status for job in await asyncio.gather(*calls)] == [FAILED, SUCCESS, SUCCESS, SUCCESS]
        for _ in range(2):
            call = asyncio.ensure_future(analyze(service, "understudy", stage.options))
            (await stage.enter()).give(answer=1)
            assert not (await call).cached


async def test_skip_cache_follows_nobody(service: Service) -> None:
    """It runs beside an equal job, whose followers it leaves alone."""
    async with Stage() as stage:
        leader = asyncio.ensure_future(analyze(service, "understudy", stage.options))
        visit = await stage.enter()
        follower = asyncio.ensure_future(analyze(service, "understudy", stage.options))
        await followed(service, 1)
        alone = asyncio.ensure_future(analyze(service, "understudy", stage.options, skip_cache=True))
        (await stage.enter()).give(answer="alone")
        assert result_of(await alone) == {"answer": "alone"}
        visit.give(answer="shared")
        assert result_of(await leader) == result_of(await follower) == {"answer": "shared"}


async def test_those_that_wait_in_the_queue_are_answered_when_their_turn_comes(tmp_path: Path) -> None:
    """Equal calls that came before any of them ran make one run all the same."""
    async with running_service(tmp_path, "Understudy", workers=1) as service, Stage() as stage:
        busy = asyncio.ensure_future(analyze(service, "understudy", stage.options | {"busy": True}))
        first = await stage.enter()
        calls = [asyncio.ensure_future(analyze(service, "understudy", stage.options)) for _ in range(5)]
        await turns_until(lambda: service.scheduler._calls.count == 5)
        first.give()
        (await stage.enter()).give()
        assert (await busy).status is SUCCESS
        assert sorted(job.cached for job in await asyncio.gather(*calls)) == [False] + [True] * 4
        assert stage.visits == 2


async def test_a_stop_ends_those_that_follow_too(tmp_path: Path) -> None:
    """Calls end INTERRUPTED, submitted jobs go back to the store and run at the next start."""
    async with Stage() as stage:
        async with running_service(tmp_path, "Understudy") as service:
            calls = [asyncio.ensure_future(analyze(service, "understudy", stage.options)) for _ in range(3)]
            await stage.enter()
            submitted = [await submit(service, "understudy", stage.options) for _ in range(3)]
            await followed(service, 5)
        for job in await asyncio.gather(*calls):
            assert job.error is not None
            assert job.error.reason is ErrorReason.INTERRUPTED
        async with running_service(tmp_path, "Understudy") as service:
            (await stage.enter()).give()
            assert {job.status for job in await all_ended(service, submitted)} == {SUCCESS}
        assert stage.visits == 2
