"""Watching a log that is compacted: an explicit OUT_OF_RANGE where changes may be missing, never silence."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobStatus
from runward_service.domain.retention_policy import RetentionPolicy
from runward_service.store.job_reader import JobQuery
from runward_service.store.job_removal import SqliteJobRemoval
from runward_service.watch.log_tail import MOST_ENTRIES
from runward_service.watch.shared_pages import WINDOW
from runward_service.watch.update import Bookmark
from tests.harness.service import analyze, changes, query, refusal, running_service, submit
from tests.harness.stage import Stage
from tests.store.jobs import CHAIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runward_service.service import Service

ALL = JobQuery(ANONYMOUS.tenant)
PENDING, RUNNING, SUCCESS, FAILED = JobStatus
LATER = 2**60


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service with a log of its own, for each test."""
    async with running_service(tmp_path, "Puppet", "Noop") as running:
        yield running


async def compact(service: Service) -> int:
    """Let everything that has ended expire; the floor that the log then has."""
    removal = SqliteJobRemoval(service.writer, lambda digest: service.database.images / digest, CHAIN)
    while (await removal.compact_log(RetentionPolicy(1, 0), LATER)).more:
        pass
    return await service.reader.log_floor()


async def revisions(service: Service, after: int) -> list[int]:
    """The revisions that a watch of all jobs sends up to its first bookmark."""
    found = []
    async with aclosing(service.analysis.watch_jobs(ALL, after)) as updates:
        async for update in updates:
            if isinstance(update, Bookmark):
                return found
            found.append(update.job.revision)
    raise AssertionError("the stream ended")


async def test_a_cursor_older_than_the_log(service: Service) -> None:
    """OUT_OF_RANGE with the first revision that can be used; that one, and 0, can."""
    for _ in range(3):
        await analyze(service, "noop")
    floor = await compact(service)
    assert floor == 9
    error = await refusal(anext(service.analysis.watch_jobs(ALL, floor - 1)))
    assert (error.reason, error.details) == (ErrorReason.REVISION_COMPACTED, {"first_usable_revision": floor})
    assert await revisions(service, floor) == await revisions(service, 0) == []
    job = await analyze(service, "noop")
    assert (await revisions(service, floor))[-1] == job.revision


async def test_from_the_start_of_a_compacted_log(service: Service) -> None:
    """From 0 a watch sends what is left: of an unfinished job its last change, then all that came after the floor."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        visit.progress(0.5, "half")
        async for update in changes(service, job.id):
            if update.progress_message == "half":
                break
        await analyze(service, "noop")
        await compact(service)
        left = [row[0] for row in query(service, "SELECT revision FROM job_event ORDER BY revision")]
        assert await revisions(service, 0) == left
        visit.give()


async def test_compaction_overtakes_a_slow_watcher(service: Service) -> None:
    """A watch that is behind when what it has not sent yet is removed is told so, after what it had taken already."""
    first = await submit(service, "noop")
    updates = service.analysis.watch_jobs(ALL, 0)
    seen = [(await anext(updates)).job]
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        for number in range(MOST_ENTRIES + WINDOW):
            service.store.set_progress(job.id, 0.5, str(number))
        await service.store.set_progress(job.id, 0.75, "last")
        await service.tail.catch_up()
        (feed,) = service.tail._queries.values()
        assert feed.start > seen[0].revision
        visit.give()
        async for _ in changes(service, job.id):
            pass
    floor = await compact(service)
    error = await refusal(read_on(updates, seen))
    assert (error.reason, error.details) == (ErrorReason.REVISION_COMPACTED, {"first_usable_revision": floor})
    sent = [update.revision for update in seen]
    assert sent == list(range(first.revision, first.revision + len(sent)))


async def read_on(updates: object, seen: list[object]) -> None:
    """Read a stream to its end."""
    async for update in updates:  # type: ignore[attr-defined]
        if not isinstance(update, Bookmark):
            seen.append(update.job)  # noqa: PERF401 - kept when the stream fails


async def test_one_job_from_the_start(service: Service) -> None:
    """A watch of one job from 0 is never refused: it sends what is left of the log, at least the job as it is now."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        await analyze(service, "noop")
        await compact(service)
        updates = changes(service, job.id)
        now = await anext(updates)
        assert (now.status, now.revision) == (RUNNING, job.revision + 1)
        visit.give()
        assert [update.status async for update in updates] == [SUCCESS]


async def test_one_job_from_a_revision_that_is_gone(service: Service) -> None:
    """A watch of one job that is resumed from before the floor is refused where the job has changed since."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        await analyze(service, "noop")
        floor = await compact(service)
        error = await refusal(anext(changes(service, job.id, after=job.revision)))
        assert (error.reason, error.details) == (ErrorReason.REVISION_COMPACTED, {"first_usable_revision": floor})
        updates = changes(service, job.id, after=floor)
        visit.give()
        assert [update.status async for update in updates] == [SUCCESS]
