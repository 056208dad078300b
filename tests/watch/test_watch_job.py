"""WatchJob: every change once, in order, from any revision, and an end after the end."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS, JobStatus
from runward_service.watch.watcher import PAGE
from tests.harness.service import analyze, changes, ended, query, refusal, result_of, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Puppet", "Noop", "Progressing")
PENDING, RUNNING, SUCCESS, FAILED = JobStatus
Seen = tuple[int, int, int, float | None, str]


async def watched(service: Service, job_id: str, after: int = 0) -> list[Job]:
    """All that a watch sends, to its end."""
    return [update async for update in changes(service, job_id, after)]


def seen(updates: list[Job]) -> list[Seen]:
    """Updates in the form of stored events."""
    return [(u.revision, u.status.value, u.attempt, u.progress_fraction, u.progress_message) for u in updates]


def logged(service: Service, job_id: str, after: int = 0) -> list[Seen]:
    """The stored events of a job after a revision."""
    return query(
        service,
        "SELECT e.revision, e.status, e.attempt, e.progress_fraction, e.progress_message FROM job_event e "
        "JOIN job j ON j.seq = e.job_seq WHERE j.id = ? AND e.revision > ? ORDER BY e.revision",
        job_id,
        after,
    )


async def test_from_the_start_of_a_finished_job(service: Service) -> None:
    """All its events in order, each the job as it then was; the last is the job that GetJob gives, with its result."""
    job = await analyze(service, "noop", labels={"a": "b"})
    updates = await watched(service, job.id)
    assert seen(updates) == logged(service, job.id)
    assert [update.status for update in updates] == [PENDING, RUNNING, SUCCESS]
    pending, running, success = updates
    assert (pending.start_time_us, pending.end_time_us, pending.attempt) == (0, 0, 0)
    assert (running.start_time_us, running.end_time_us, running.attempt) == (job.start_time_us, 0, 1)
    assert [update.result for update in updates] == [None, None, job.result]
    assert success == await service.analysis.get_job(job.id, ANONYMOUS)
    assert {update.labels["a"] for update in updates} == {"b"}


async def test_a_failed_job_has_its_error_in_the_last_update_alone(service: Service) -> None:
    """What came before the end tells of no error."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        (await stage.enter()).refuse("The lamp is broken.")
        updates = await watched(service, job.id)
    assert [update.error is None for update in updates] == [True, True, False]


async def test_from_every_revision(service: Service) -> None:
    """A watch after a revision sends exactly what came after it; after the last, nothing, and ends."""
    job = await analyze(service, "noop")
    everything = logged(service, job.id)
    for after in range(everything[0][0] - 1, everything[-1][0] + 1):
        assert seen(await watched(service, job.id, after)) == [event for event in everything if event[0] > after]
    assert await watched(service, job.id, job.revision) == []


async def test_ahead_of_the_log(service: Service) -> None:
    """A revision that was never given out is refused with the log's end, for a finished and for a pending job."""
    job = await analyze(service, "noop")
    (last,) = query(service, "SELECT max(revision) FROM job_event")[0]
    for after in (last + 1, 2**62):
        error = await refusal(anext(changes(service, job.id, after)))
        assert (error.reason, error.details) == (ErrorReason.REVISION_AHEAD, {"last_revision": last})


async def test_an_unknown_job(service: Service) -> None:
    """JOB_NOT_FOUND, not an empty stream."""
    error = await refusal(anext(changes(service, str(uuid.uuid4()), 0)))
    assert error.reason is ErrorReason.JOB_NOT_FOUND


async def test_changes_come_as_they_are_made(service: Service) -> None:
    """A watcher that waits gets each change when it is committed, without asking again."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        updates = changes(service, job.id)
        assert (await anext(updates)).status is PENDING
        assert (await anext(updates)).status is RUNNING
        visit = await stage.enter()
        for number in range(3):
            following = asyncio.ensure_future(anext(updates))
            visit.progress(number / 4, f"step {number}")
            update = await following
            assert (update.status, update.progress_fraction, update.progress_message) == (
                RUNNING, number / 4, f"step {number}",
            )  # fmt: skip
        visit.give(x=1)
        assert result_of(await anext(updates)) == {"x": 1.0}
        with pytest.raises(StopAsyncIteration):
            await anext(updates)


async def test_a_watch_that_breaks_is_resumed(service: Service) -> None:
    """Reading one update a stream, each resumed after the last revision, gives the same as one stream: no gap, no
    duplicate.
    """
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        collected: list[Job] = []
        while not collected or not collected[-1].status.terminal:
            after = collected[-1].revision if collected else 0
            updates = changes(service, job.id, after)
            collected.append(await anext(updates))
            await updates.aclose()
            if len(collected) == 2:
                visit.progress(0.5, "half")
            if len(collected) == 3:
                visit.give()
    assert seen(collected) == logged(service, job.id)
    assert [update.progress_message for update in collected] == ["", "", "half", "half"]


async def test_many_watchers_of_many_jobs(service: Service) -> None:
    """While many jobs run, watchers that began before, during and after each see exactly the stored history."""

    async def follow(delay: int) -> None:
        job = await submit(service, "noop")
        first = asyncio.ensure_future(watched(service, job.id))
        if delay % 3 == 0:
            await ended(service, job.id)
        second = asyncio.ensure_future(watched(service, job.id))
        third = asyncio.ensure_future(watched(service, job.id, job.revision))
        everything, again, rest = await asyncio.gather(first, second, third)
        events = logged(service, job.id)
        assert seen(everything) == seen(again) == events
        assert seen(rest) == events[1:]
        assert [status for _, status, *_ in events] == [1, 2, 3]

    await asyncio.gather(*(follow(number) for number in range(60)))


async def test_more_events_than_a_page(service: Service) -> None:
    """A long history is sent whole, also where it grows while it is being sent."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        first = [service.store.set_progress(job.id, 0.25, str(number)) for number in range(2 * PAGE)]
        await asyncio.gather(*first)
        updates = changes(service, job.id)
        collected = [await anext(updates) for _ in range(PAGE // 2)]
        await asyncio.gather(*(service.store.set_progress(job.id, 0.5, str(number)) for number in range(PAGE)))
        visit.give()
        collected += [update async for update in updates]
    assert len(collected) == 3 * PAGE + 3
    assert seen(collected) == logged(service, job.id)


async def test_progress_is_coalesced(service: Service) -> None:
    """A thousand reports become at most four events a second, in order, none after the end."""
    job = await submit(service, "progressing")
    updates = await watched(service, job.id)
    reports = [update for update in updates if update.status is RUNNING and update.progress_fraction is not None]
    seconds = (updates[-1].end_time_us - updates[-1].start_time_us) / 1e6
    assert 2 <= len(reports) <= 4 * seconds + 1
    fractions = [update.progress_fraction for update in reports]
    assert fractions == sorted(set(fractions))  # type: ignore[type-var]
    assert all(update.progress_message == f"step {update.progress_fraction * 1000:.0f}" for update in reports)
    assert updates[-1].status is SUCCESS


async def test_nobody_is_kept_who_went(service: Service) -> None:
    """A stream that is closed or ended leaves no watcher behind."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        updates = changes(service, job.id)
        await anext(updates)
        await updates.aclose()
        waiting = asyncio.ensure_future(watched(service, job.id))
        visit.give()
        await waiting
    assert service.tail.followers == 0


async def test_a_job_that_is_gone_before_its_end_is_read(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch whose job ends and is deleted before the log was read ends with JOB_NOT_FOUND rather than never."""
    monkeypatch.setattr("runward_service.watch.watcher.LOOK_SECONDS", 0.01)
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        updates = changes(service, job.id)
        while (await anext(updates)).status is not JobStatus.RUNNING:
            continue
        end = asyncio.ensure_future(anext(updates))
        async with service.tail._lock:
            visit.give()
            while not (await service.reader.get_job(job.id, None)).status.terminal:
                continue
            await service.analysis.delete(job.id, ANONYMOUS)
        with pytest.raises(GovernedError) as caught:
            await end
    assert caught.value.reason is ErrorReason.JOB_NOT_FOUND
