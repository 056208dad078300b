"""Many watchers: one read and one encoding of each change, and no more than a few changes that wait for a slow one."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from runward.v1 import jobs_pb2
from runward_service.api.conversion import job_message, job_to_proto
from runward_service.domain.job import ANONYMOUS
from runward_service.store.job_reader import JobQuery, SqliteJobReader
from runward_service.watch.update import Bookmark
from tests.harness.service import analyze, query, result_of, submit, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Puppet", "Noop")
ALL = JobQuery(ANONYMOUS.tenant)
WATCHERS = 50


class Encoder:
    """Encodes as the servicer does, and counts."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, int]] = []

    def __call__(self, job: Job) -> bytes:
        self.jobs.append((job.id, job.revision))
        return job_message(job)


async def collect(service: Service, encode: Encoder, after: int, last: int, ready: asyncio.Semaphore) -> list[bytes]:
    """The messages of a watch of all jobs up to a revision."""
    found = []
    async with aclosing(service.analysis.watch_jobs(ALL, after)) as updates:
        async for update in updates:
            if isinstance(update, Bookmark):
                ready.release()
            else:
                found.append(update.message(encode))
                if update.job.revision == last:
                    break
    return found


async def test_a_change_is_encoded_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches gets the same bytes; the log is read once for all of them."""
    reads = []
    original = SqliteJobReader.log_tail

    async def counted(self: SqliteJobReader, after: int, limit: int) -> object:
        reads.append(after)
        return await original(self, after, limit)

    encode, ready = Encoder(), asyncio.Semaphore(0)
    start = await service.reader.last_revision()
    watching = [asyncio.ensure_future(collect(service, encode, -1, start + 6, ready)) for _ in range(WATCHERS)]
    for _ in range(WATCHERS):
        await ready.acquire()
    monkeypatch.setattr(SqliteJobReader, "log_tail", counted)
    for _ in range(2):
        await analyze(service, "noop")
    first, *others = await asyncio.gather(*watching)
    assert len(first) == 6
    assert all(other == first for other in others)
    assert len(encode.jobs) == len(set(encode.jobs)) == 6
    assert len(reads) <= 12


async def test_those_who_come_back_share_too(service: Service) -> None:
    """Watchers that resume at different places of the log, as after a restart, share pages and messages."""
    for _ in range(20):
        await analyze(service, "noop")
    encode, ready = Encoder(), asyncio.Semaphore(0)
    last = await service.reader.last_revision()
    starts = range(last - 60, last)
    found = await asyncio.gather(*(collect(service, encode, start, last, ready) for start in starts))
    assert [len(messages) for messages in found] == [last - start for start in starts]
    assert all(messages == found[0][-len(messages) :] for messages in found)
    assert len(encode.jobs) == len(set(encode.jobs))


async def test_the_result_is_read_and_encoded_once(service: Service) -> None:
    """All who watch a job get one and the same last message, with the result."""
    encode = Encoder()

    async def last_message(job_id: str) -> bytes:
        message = b""
        async for update in service.analysis.watch_job(job_id, ANONYMOUS, 0):
            message = update.message(encode)
        return message

    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        watching = [asyncio.ensure_future(last_message(job.id)) for _ in range(WATCHERS)]
        await turns_until(lambda: service.tail.followers == WATCHERS)
        visit.give(answer=42)
        messages = set(await asyncio.gather(*watching))
    assert len(messages) == 1
    message = jobs_pb2.WatchJobResponse.FromString(messages.pop())
    assert message.job.result["answer"] == 42
    ended = await service.analysis.get_job(job.id, ANONYMOUS)
    assert result_of(ended) == {"answer": 42.0}
    assert encode.jobs.count((job.id, ended.revision)) == 1


async def test_one_message_serves_both_methods(service: Service) -> None:
    """A change is encoded alike for WatchJob and WatchJobs."""
    job = await analyze(service, "noop", {"depth": 3}, labels={"a": "b"})
    message = job_message(job)
    assert jobs_pb2.WatchJobResponse.FromString(message).job == job_to_proto(job)
    assert jobs_pb2.WatchJobsResponse.FromString(message).job == job_to_proto(job)


async def test_filters_at_the_end_of_the_log(service: Service) -> None:
    """What comes is filtered as what was there: by labels, plugin, statuses and tenant."""
    last = await service.reader.last_revision()
    wanted = {
        "labels": JobQuery("default", labels={"colour": "red"}),
        "plugin": JobQuery("default", plugin="puppet"),
        "tenant": JobQuery("elsewhere"),
    }
    streams = {name: service.analysis.watch_jobs(one, last) for name, one in wanted.items()}
    for updates in streams.values():
        assert isinstance(await anext(updates), Bookmark)
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        (await stage.enter()).give()
        async for _ in service.analysis.watch_job(job.id, ANONYMOUS, 0):
            pass
    await analyze(service, "noop", labels={"colour": "red", "size": "1"})
    await analyze(service, "noop", labels={"colour": "blue"})
    end = await service.reader.last_revision()
    live: dict[str, list[int]] = {}
    for name, updates in streams.items():
        live[name] = []
        async for update in updates:
            if not isinstance(update, Bookmark):
                live[name].append(update.job.revision)
            elif update.revision >= end:  # one before may tell of less
                break
        await updates.aclose()
    assert len(live["labels"]) == 3
    assert live["plugin"] == [row[0] for row in query(service, "SELECT e.revision FROM job_event e JOIN job j ON "
                                                      "j.seq = e.job_seq WHERE j.id = ?", job.id)]  # fmt: skip
    assert live["tenant"] == []


async def test_a_slow_watcher_holds_little(service: Service) -> None:
    """Whoever does not read keeps a cursor and a few changes, whatever is committed meanwhile, and gets all of it."""
    last = await service.reader.last_revision()
    updates = service.analysis.watch_jobs(ALL, last)
    await anext(updates)
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        for number in range(5000):
            service.store.set_progress(job.id, 0.5, str(number))
        visit.give()
        async for _ in service.analysis.watch_job(job.id, ANONYMOUS, 0):
            pass
    assert len(service.tail._entries) <= 4096 + 512
    end = await service.reader.last_revision()
    seen: list[int] = []
    async for update in updates:
        if not isinstance(update, Bookmark):
            seen.append(update.job.revision)
            if update.job.revision == end:
                break
    await updates.aclose()
    assert seen == [row[0] for row in query(service, "SELECT revision FROM job_event WHERE revision > ?", last)]
