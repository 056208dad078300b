"""Queues are bounded, by count and by bytes; who finds no room is told when there will be some."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS, JobMode, JobStatus, Principal
from runward_service.domain.limits import QueueLimits
from runward_service.execution.caller_queue import CallerQueue
from runward_service.execution.drain_rate import LONGEST_SECONDS, SHORTEST_SECONDS
from runward_service.execution.queue_bounds import QueueBounds
from tests.harness.service import (
    PNG,
    analyze,
    ended,
    job_request,
    query,
    refusal,
    running_service,
    submit,
    submit_batch,
    turns_until,
)
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = QueueLimits(count=4, count_per_plugin=3, image_bytes=1000, image_bytes_per_plugin=700)
ROOMY = QueueLimits(1000, 1000, 10**9, 10**9)
BUSY, QUIET = Principal("busy", "default"), Principal("quiet", "default")


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def full(bounds: QueueBounds, plugin: str, image_bytes: int) -> GovernedError:
    """The refusal of one that finds no room; it leaves the bounds as they were."""
    before = bounds.waiting(plugin)
    with pytest.raises(GovernedError) as caught:
        bounds.enter(plugin, image_bytes)
    assert bounds.waiting(plugin) == before
    assert caught.value.reason is ErrorReason.QUEUE_FULL
    return caught.value


def test_each_bound_by_itself() -> None:
    """Count and bytes, of a plugin and in all; the refusal names the one that was met."""
    bounds = QueueBounds("pending jobs", LIMITS)
    for _ in range(3):
        bounds.enter("a", 10)
    error = full(bounds, "a", 10)
    found = {key: error.details[key] for key in ("queue", "bound", "scope", "limit")}
    assert found == {"queue": "pending_jobs", "bound": "count", "scope": "plugin", "limit": 3}
    assert error.plugin == "a"
    bounds.enter("b", 690)
    assert full(bounds, "c", 1).details["scope"] == "server"
    bounds.leave("a", 10, drained=False)
    error = full(bounds, "b", 11)
    assert (error.details["bound"], error.details["limit"], error.plugin) == ("image_bytes", 700, "b")
    error = full(bounds, "c", 291)
    assert (error.details["bound"], error.details["limit"], error.plugin) == ("image_bytes", 1000, "")
    bounds.enter("c", 290)


def test_names_that_callers_make_up_leave_nothing() -> None:
    """A plugin that does not exist costs no memory once its call is refused."""
    bounds = QueueBounds("waiting calls", ROOMY)
    for number in range(100):
        bounds.enter(f"made up {number}", 1)
        bounds.leave(f"made up {number}", 1, drained=False)
    assert not bounds._plugins


def test_the_delay_is_that_of_the_measured_rate() -> None:
    """Four that are refused one after another are told to come when each of them will find room."""
    clock = Clock()
    bounds = QueueBounds("waiting calls", QueueLimits(50, 50, 10**9, 10**9), clock)
    for _ in range(50):
        bounds.enter("a", 1)
    for _ in range(40):
        clock.now += 0.5
        bounds.leave("a", 1, drained=True)
        bounds.enter("a", 1)
    delays = [full(bounds, "a", 1).details["retry_seconds"] for _ in range(4)]
    assert delays == pytest.approx([0.5, 1.0, 1.5, 2.0])
    clock.now += 0.4
    assert full(bounds, "a", 1).details["retry_seconds"] == pytest.approx(2.1)
    for _ in range(500):
        last = full(bounds, "a", 1).details["retry_seconds"]
    assert last == pytest.approx(50 * 0.5)  # by then all that waits now has gone
    clock.now += 30
    bounds.leave("a", 1, drained=True)
    bounds.enter("a", 1)
    assert full(bounds, "a", 1).details["retry_seconds"] < 5  # what was promised is past


def test_the_delay_has_bounds() -> None:
    """A queue that stands still does not send callers away for hours, nor does a fast one call them back at once."""
    clock = Clock()
    bounds = QueueBounds("waiting calls", QueueLimits(10, 10, 10**9, 10**9), clock)
    for _ in range(10):
        bounds.enter("a", 1)
    assert full(bounds, "a", 1).details["retry_seconds"] == 1.0
    clock.now += 3600
    assert full(bounds, "a", 1).details["retry_seconds"] == LONGEST_SECONDS
    fast = QueueBounds("waiting calls", QueueLimits(10, 10, 10**9, 10**9), clock)
    for _ in range(10):
        fast.enter("a", 1)
    for _ in range(100):
        clock.now += 0.0001
        fast.leave("a", 1, drained=True)
        fast.enter("a", 1)
    assert full(fast, "a", 1).details["retry_seconds"] == SHORTEST_SECONDS


def test_room_for_bytes_takes_as_many_departures_as_hold_them() -> None:
    """A large image waits for several small ones to go."""
    clock = Clock()
    bounds = QueueBounds("waiting calls", QueueLimits(1000, 1000, 1000, 1000), clock)
    for _ in range(100):
        bounds.enter("a", 10)
    for _ in range(100):
        clock.now += 0.2
        bounds.leave("a", 10, drained=True)
        bounds.enter("a", 10)
    assert full(bounds, "a", 200).details["retry_seconds"] == pytest.approx(20 * 0.2)


def test_callers_take_turns_in_a_queue() -> None:
    """One item of each caller, in the order of their last turns; what is discarded is passed over."""
    queue: CallerQueue[int] = CallerQueue()
    for number in range(5):
        queue.append(("t", "busy"), number)
    queue.append(("t", "a"), 10)
    queue.append(("u", "busy"), 20)
    queue.append(("t", "a"), 11)
    queue.discard(("t", "busy"), 1)
    queue.discard(("t", "nobody"), 1)
    assert (len(queue), sorted(queue)) == (7, [0, 2, 3, 4, 10, 11, 20])
    assert [queue.popleft() for _ in range(3)] == [0, 10, 20]
    queue.append(("t", "late"), 30)
    assert [queue.popleft() for _ in range(5)] == [2, 11, 30, 3, 4]
    assert not queue


async def test_stored_jobs_have_bounds(tmp_path: Path) -> None:
    """SubmitJob and each request of a batch find room or are refused; what runs, ends or is cancelled makes room."""
    async with Stage() as stage, running_service(tmp_path, "SinglePuppet", "Echo", pending_jobs=LIMITS) as service:
        first = await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        jobs = [await submit(service, "single_puppet", stage.options) for _ in range(3)]
        error = await refusal(submit(service, "single_puppet", stage.options))
        assert (error.reason, error.details["scope"]) == (ErrorReason.QUEUE_FULL, "plugin")
        request = job_request("single_puppet", stage.options, mode=JobMode.ASYNC)
        assert [type(answer) for answer in await submit_batch(service, request, request)] == [GovernedError] * 2
        assert query(service, "SELECT count(*) FROM job") == [(4,)]
        await service.analysis.cancel(jobs.pop().id, ANONYMOUS)
        answers = await submit_batch(service, *[request] * 3)
        refused = [answer for answer in answers if isinstance(answer, GovernedError)]
        assert [error.reason for error in refused] == [ErrorReason.QUEUE_FULL] * 2
        assert not isinstance(answers[0], GovernedError)
        visit.give()
        visit = await stage.enter()
        jobs.append(await submit(service, "single_puppet", stage.options))
        for _ in range(3):
            visit.give()
            visit = await stage.enter()
        visit.give()
        for job in (first, *jobs, answers[0]):
            assert (await ended(service, job.id)).status is JobStatus.SUCCESS
        assert service.analysis._submission._pending.waiting("single_puppet") == (0, 0)


async def test_what_is_refused_or_exists_takes_no_room(tmp_path: Path) -> None:
    """Requests that break a rule, and request ids that were used before, leave the queue as it was."""
    async with Stage() as stage, running_service(tmp_path, "SinglePuppet", pending_jobs=LIMITS) as service:
        running = await submit(service, "single_puppet", stage.options, request_id="one")
        visit = await stage.enter()
        for _ in range(5):
            assert (await submit(service, "single_puppet", stage.options, request_id="one")).id == running.id
            await refusal(submit(service, "single_puppet", stage.options, mime_type="image/gif"))
            await refusal(submit(service, "absent"))
        same = job_request("single_puppet", stage.options, mode=JobMode.ASYNC, request_id="one")
        await submit_batch(service, same, job_request("absent", mode=JobMode.ASYNC))
        assert service.analysis._submission._pending.waiting("single_puppet") == (0, 0)
        visit.give()
        await ended(service, running.id)


async def test_the_count_survives_a_restart(tmp_path: Path) -> None:
    """A new server knows what waits in the store from its start on."""
    async with Stage() as stage:
        async with running_service(tmp_path, "SinglePuppet", pending_jobs=LIMITS) as service:
            await submit(service, "single_puppet", stage.options)
            await stage.enter()
            for _ in range(3):
                await submit(service, "single_puppet", stage.options)
            await service.drain(0)
        async with running_service(tmp_path, "SinglePuppet", pending_jobs=LIMITS) as service:
            visit = await stage.enter()  # the one that the drain gave back, or another
            assert service.analysis._submission._pending.waiting("single_puppet") == (3, 3 * len(PNG))
            error = await refusal(submit(service, "single_puppet", stage.options))
            assert error.reason is ErrorReason.QUEUE_FULL
            for _ in range(3):
                visit.give()
                visit = await stage.enter()
            visit.give()


async def test_processes_that_share_a_store_see_what_the_others_queue(tmp_path: Path) -> None:
    """What one process stored counts for the other once it has looked, and no more when it is claimed."""
    async with (
        Stage() as stage,
        running_service(tmp_path, "SinglePuppet", pending_jobs=LIMITS) as one,
        running_service(tmp_path, "SinglePuppet", pending_jobs=LIMITS) as two,
    ):
        jobs = [await submit(one, "single_puppet", stage.options)]
        visits = [await stage.enter()]
        jobs += [await submit(one, "single_puppet", stage.options) for _ in range(3)]
        await two.stored_queue.sync()
        assert two.analysis._submission._pending.waiting("single_puppet") == (3, 3 * len(PNG))
        assert (await refusal(submit(two, "single_puppet", stage.options))).reason is ErrorReason.QUEUE_FULL
        assert await two.reader.owner_count() == 2
        for _ in jobs:
            visits.pop().give()
            if len(jobs) > stage.visits:
                visits.append(await stage.enter())
        for job in jobs:
            await ended(one, job.id)
        await two.stored_queue.sync()
        assert two.analysis._submission._pending.waiting("single_puppet") == (0, 0)


async def test_what_a_process_did_before_it_left_is_seen(tmp_path: Path) -> None:
    """The last changes of a process that shared the store count when it has left, though this one is alone then."""
    async with running_service(tmp_path, pending_jobs=LIMITS) as one:
        async with Stage() as stage, running_service(tmp_path, "SinglePuppet", pending_jobs=LIMITS) as two:
            for _ in range(3):
                await submit(two, "single_puppet", stage.options)
            visits = [await stage.enter()]
            await one.stored_queue.follow()
            assert one.analysis._submission._pending.waiting("single_puppet")[0] == 2
            for _ in range(3):
                visits.pop().give()
                if stage.visits < 3:
                    visits.append(await stage.enter())
            await turns_until(lambda: not two.running.jobs)
        assert await one.reader.owner_count() == 1
        await one.stored_queue.follow()
        assert one.analysis._submission._pending.waiting("single_puppet") == (0, 0)


async def test_a_backlog_of_calls_does_not_hold_another_caller_up(tmp_path: Path) -> None:
    """With forty calls of one caller waiting, another's call is next but one."""
    async with Stage() as stage, running_service(tmp_path, "SinglePuppet") as service:
        calls = [asyncio.ensure_future(analyze(service, "single_puppet", stage.options, principal=BUSY))]
        visit = await stage.enter()
        calls += [
            asyncio.ensure_future(analyze(service, "single_puppet", stage.options, principal=BUSY)) for _ in range(40)
        ]
        await turns_until(lambda: len(service.scheduler._slots.queue("single_puppet").callers) == 40)
        quiet = asyncio.ensure_future(analyze(service, "single_puppet", stage.options, principal=QUIET))
        await turns_until(lambda: len(service.scheduler._slots.queue("single_puppet").callers) == 41)
        for _ in range(2):
            visit.give()
            visit = await stage.enter()
        visit.give()
        assert (await quiet).status is JobStatus.SUCCESS
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_backlog_of_jobs_does_not_hold_another_caller_up(tmp_path: Path) -> None:
    """With three hundred stored jobs of one caller waiting at a high priority, another's job is next but one."""
    async with Stage() as stage, running_service(tmp_path, "SinglePuppet") as service:
        await submit(service, "single_puppet", stage.options, principal=BUSY)
        visit = await stage.enter()
        backlog = job_request("single_puppet", stage.options, mode=JobMode.ASYNC, principal=BUSY, priority=1000)
        await submit_batch(service, *[backlog] * 300)
        quiet = await submit(service, "single_puppet", stage.options, principal=QUIET)
        for _ in range(2):
            visit.give()
            visit = await stage.enter()
            if visit.job_id == quiet.id:
                break
        assert visit.job_id == quiet.id
        visit.give()
        assert (await ended(service, quiet.id)).status is JobStatus.SUCCESS
