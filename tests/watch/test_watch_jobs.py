"""WatchJobs: the changes of many jobs, every one that fits once, in order of revision, from any revision."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobStatus, Principal
from runward_service.store.job_reader import JobQuery
from runward_service.watch.log_tail import PAGE
from runward_service.watch.log_watcher import FROM_NOW
from runward_service.watch.shared_pages import WINDOW
from runward_service.watch.update import Bookmark
from tests.harness.service import analyze, query, refusal, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from runward_service.domain.job import Job
    from runward_service.service import Service

    Update = Job | Bookmark

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Puppet", "Noop")
PENDING, RUNNING, SUCCESS, FAILED = JobStatus
ALL = JobQuery(ANONYMOUS.tenant)
Change = tuple[int, str, int, int]


async def watch(service: Service, wanted: JobQuery = ALL, after: int = 0) -> AsyncGenerator[Update, None]:
    """What a watch as the servicer begins it sends."""
    async with aclosing(service.analysis.watch_jobs(wanted, after)) as updates:
        async for update in updates:
            yield update if isinstance(update, Bookmark) else update.job


async def until_bookmark(updates: AsyncIterator[Update]) -> tuple[list[Change], int]:
    """The changes up to the next bookmark, and what that says."""
    changes = []
    async for update in updates:
        if isinstance(update, Bookmark):
            return changes, update.revision
        assert update.result is None
        changes.append((update.revision, update.id, update.status.value, update.attempt))
    raise AssertionError("the stream ended")


async def next_change(updates: AsyncIterator[Update]) -> Job:
    """The next message that is no bookmark."""
    async for update in updates:
        if not isinstance(update, Bookmark):
            return update
    raise AssertionError("the stream ended")


def logged(service: Service, after: int = 0, where: str = "1") -> list[Change]:
    """The stored log after a revision."""
    return query(
        service,
        "SELECT e.revision, j.id, e.status, e.attempt FROM job_event e JOIN job j ON j.seq = e.job_seq "
        f"WHERE e.revision > ? AND {where} ORDER BY e.revision",
        after,
    )


def log_end(service: Service) -> int:
    """The last revision."""
    return int(query(service, "SELECT max(revision) FROM job_event")[0][0])


async def test_the_whole_log_then_what_comes(service: Service) -> None:
    """From 0: every change so far in order, a bookmark at the log's end, then each change as it is committed."""
    await asyncio.gather(*(analyze(service, "noop") for _ in range(20)))
    updates = watch(service)
    changes, marked = await until_bookmark(updates)
    assert changes == logged(service)
    assert marked == log_end(service) == changes[-1][0]
    job = await analyze(service, "noop")
    following = [await next_change(updates) for _ in range(3)]
    assert [(update.id, update.status) for update in following] == [
        (job.id, PENDING), (job.id, RUNNING), (job.id, SUCCESS),
    ]  # fmt: skip


async def test_only_what_comes(service: Service) -> None:
    """From -1: at once a bookmark that says where the watch stands, and nothing of what was there."""
    await analyze(service, "noop")
    updates = watch(service, after=FROM_NOW)
    assert await until_bookmark(updates) == ([], log_end(service))
    job = await analyze(service, "noop")
    first = await next_change(updates)
    assert (first.id, first.status) == (job.id, PENDING)


async def test_each_change_is_the_job_as_it_was(service: Service) -> None:
    """A change before the end shows neither end nor error; progress is a change too."""
    async with Stage() as stage:
        updates = watch(service, after=log_end(service))
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        visit.progress(0.5, "half")
        found = [await next_change(updates) for _ in range(3)]
        visit.refuse("The lamp is broken.")
        found.append(await next_change(updates))
    assert [update.id for update in found] == [job.id] * 4
    assert [update.progress_message for update in found] == ["", "", "half", "half"]
    assert [update.error is None for update in found] == [True, True, True, False]
    assert [update.end_time_us > 0 for update in found] == [False, False, False, True]


async def test_filters(service: Service) -> None:
    """Plugin, statuses of the changes, labels, and the caller's tenant: what fits all of them, and no other."""
    first = log_end(service)
    await analyze(service, "noop", labels={"colour": "red", "size": "1"})
    await analyze(service, "noop", labels={"colour": "blue"})
    cases = [
        (JobQuery("default", plugin="noop"), "j.plugin = 'noop'"),
        (JobQuery("default", plugin="puppet"), "0"),
        (JobQuery("default", statuses=(SUCCESS, FAILED)), "e.status IN (3, 4)"),
        (JobQuery("default", plugin="noop", statuses=(PENDING,)), "e.status = 1"),
        (JobQuery("another"), "0"),
    ]
    for wanted, where in cases:
        assert (await until_bookmark(watch(service, wanted, first)))[0] == logged(service, first, where), where
    red = JobQuery("default", labels={"colour": "red"})
    assert len((await until_bookmark(watch(service, red, first)))[0]) == 3


async def test_resumed_at_every_place(service: Service) -> None:
    """Streams that break after any number of messages and are resumed after the last revision, or the last bookmark,
    give the whole log together: no gap, no duplicate.
    """
    turns = random.Random(5)
    working = asyncio.gather(*(analyze(service, "noop") for _ in range(100)))
    cursor, collected = 0, []
    while not working.done() or cursor < log_end(service):
        updates = watch(service, after=cursor)
        for _ in range(turns.randrange(1, 40)):
            update = await anext(updates)
            cursor = update.revision
            if isinstance(update, Bookmark):
                break
            collected.append((update.revision, update.id, update.status.value, update.attempt))
        await updates.aclose()
    await working
    assert collected == logged(service)


async def test_a_log_of_many_pages_and_windows(service: Service) -> None:
    """A filter that few changes fit is read through window by window; nothing is left out at their edges."""
    async with Stage() as stage:
        start = log_end(service)
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        count = WINDOW + 2 * PAGE
        await asyncio.gather(*(service.store.set_progress(job.id, 0.5, str(number)) for number in range(count)))
        visit.give()
        await until_terminal(watch(service, after=log_end(service)), job.id)
    everything, _ = await until_bookmark(watch(service, after=start))
    assert everything == logged(service, start)
    assert len(everything) == count + 3
    ends = JobQuery("default", statuses=(SUCCESS,))
    assert (await until_bookmark(watch(service, ends, start)))[0] == logged(service, start, "e.status = 3")


async def until_terminal(updates: AsyncIterator[Update], job_id: str) -> None:
    """Follow a watch until a job has ended."""
    async for update in updates:
        if not isinstance(update, Bookmark) and update.id == job_id and update.status.terminal:
            return


async def test_a_filter_that_nothing_fits_gets_bookmarks(service: Service) -> None:
    """While the log goes on without a change for a watch, bookmarks tell it how far it may resume from."""
    updates = watch(service, JobQuery("default", plugin="puppet"), FROM_NOW)
    _, before = await until_bookmark(updates)
    await analyze(service, "noop")
    changes, marked = await until_bookmark(updates)
    assert changes == []
    assert marked > before


async def test_ahead_of_the_log(service: Service) -> None:
    """A revision that was never given out is refused with the log's end."""
    await analyze(service, "noop")
    last = log_end(service)
    error = await refusal(anext(watch(service, after=last + 1)))
    assert (error.reason, error.details) == (ErrorReason.REVISION_AHEAD, {"last_revision": last})


async def test_nobody_is_kept_who_went(service: Service) -> None:
    """A stream that is closed leaves no watcher behind."""
    updates = watch(service)
    await anext(updates)
    await updates.aclose()
    assert service.tail.followers == 0


async def test_another_tenant_sees_nothing(service: Service) -> None:
    """Jobs belong to a tenant: a watch of another one gets bookmarks alone."""
    stranger = Principal("someone", "elsewhere")
    await analyze(service, "noop")
    changes, marked = await until_bookmark(watch(service, JobQuery(stranger.tenant)))
    assert changes == []
    assert marked == log_end(service)
