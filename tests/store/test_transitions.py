"""The life of many jobs in one batch: the same rows, events and counters as one by one, and every fence holds."""

from __future__ import annotations

import random
import uuid
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.store.database import Database
from runward_service.store.job_reader import SqliteJobReader
from runward_service.store.job_store import SqliteJobStore
from runward_service.store.transitions import StartJob, insert_images
from tests.store.held_writer import HeldWriter
from tests.store.jobs import CHAIN, OWNER, SIGNER, new_job, outcome

if TYPE_CHECKING:
    from runward_service.domain.job import Job

EVENTS = "SELECT status, attempt FROM job_event WHERE job_seq = (SELECT seq FROM job WHERE id = ?) ORDER BY revision"
LATE = "SELECT count(*) FROM job_event e JOIN job j ON j.seq = e.job_seq WHERE j.status > 2 AND e.revision > j.revision"


def check(writer: HeldWriter, jobs: list[Job], finished: list[int]) -> None:
    """The rows, events, tracebacks and counters of jobs that were created, and of which some were finished."""
    rows = {row[0]: row[1:] for row in writer.rows(
        "SELECT id, status, attempt, start_time, end_time, output_digest, error_message, json_extract(options, '$.n') "
        "FROM job"
    )}  # fmt: skip
    assert len(rows) == len(jobs)
    for number, job in enumerate(jobs):
        good = number % 3
        events = writer.rows(EVENTS, job.id)
        if number in finished:
            status = 3 if good else 4
            digest, message = (f"digest {number}", None) if good else ("", f"failure {number}")
            assert rows[job.id] == (status, 1, 200 + number, 300 + number, digest, message, number)
            assert events == [(1, 0), (2, 1), (status, 1)]
        else:
            assert rows[job.id][0] in {1, 2}
            assert events in ([(1, 0)], [(1, 0), (2, 1)])
    assert {text for (text,) in writer.rows("SELECT traceback FROM job_traceback")} == {
        f"trace {number}" for number in finished if number % 3 == 0
    }
    for plugin in range(3):
        of_plugin = [number for number in finished if number % 3 == plugin]
        if of_plugin:
            counted = writer.rows(
                "SELECT success_count, error_count, run_count, total_duration FROM plugin_counter WHERE plugin = ?",
                f"plugin_{plugin}",
            )
            count, total = len(of_plugin), sum(10 + number for number in of_plugin)
            assert counted == [((count, 0) if plugin else (0, count)) + (count, total)]
    assert writer.rows("SELECT count(*) = count(DISTINCT revision) FROM job_event") == [(1,)]
    assert writer.rows("SELECT count(*) FROM job j WHERE revision <> (SELECT max(revision) FROM job_event e "
                       "WHERE e.job_seq = j.seq)") == [(0,)]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 150])
async def test_whole_lives_in_one_batch(writer: HeldWriter, store: SqliteJobStore, count: int) -> None:
    """Created, started and finished in one transaction: each with its three events, its counters, its traceback."""
    jobs = [new_job(number) for number in range(count)]
    futures: list[Any] = []
    async with writer.held():
        before = writer.commits()
        for number, job in enumerate(jobs):
            futures.append(store.create_job(job, deferred=True))
            futures.append(writer.submit(StartJob(job.id, OWNER, 200 + number)))
            begun = job._replace(attempt=1, start_time_us=1)
            futures.append(store.finish_job(begun, outcome(begun)))
    answers = [await future for future in futures]
    revisions = [answer if isinstance(answer, int) else answer.revision for answer in answers]
    assert writer.commits() == before + 1
    assert len(set(revisions)) == 3 * count
    assert min(revisions) > 0
    for first in range(0, 3 * count, 3):
        created, started, finished = revisions[first : first + 3]
        assert created < started < finished
    check(writer, jobs, list(range(count)))
    assert {job_id for job_id in writer.changes[-1]} == {job.id for job in jobs}  # noqa: C416 - as the watchers hear


async def test_events_of_a_whole_life_go_with_it(writer: HeldWriter, store: SqliteJobStore) -> None:
    """They are in no index, are read by their job all the same, and leave with it, no others with them."""
    jobs = [new_job(number) for number in range(3)]
    async with writer.held():
        for job in jobs:
            store.defer_creation(job)
            store.defer_start(job.id, 200)
        begun = [job._replace(attempt=1, start_time_us=200) for job in jobs]
        ends = [store.finish_job(job, outcome(job)) for job in begun]
    assert [await end for end in ends] == [3, 6, 9]
    assert writer.rows("SELECT count(*) FROM job_event WHERE of_whole_life = 0") == [(0,)]
    reader = SqliteJobReader(writer.database)
    await reader.open()
    try:
        page = await reader.job_log_page(jobs[1].id, 4, 10)
        assert [entry.revision for entry in page.entries] == [5, 6]
        await writer.submit(lambda tx: tx.execute("DELETE FROM job WHERE id = ?", (jobs[1].id,)))
        assert writer.rows("SELECT revision FROM job_event") == [(1,), (2,), (3,), (7,), (8,), (9,)]
        await writer.submit(lambda tx: tx.execute("DELETE FROM job"))
        assert writer.rows("SELECT count(*) FROM job_event") == [(0,)]
        assert await reader.last_revision() == 9
    finally:
        await reader.close()


async def test_a_whole_life_is_as_step_by_step(writer: HeldWriter, store: SqliteJobStore, tmp_path: Path) -> None:
    """Jobs whose three transitions share a batch leave every table as those whose transitions were written singly."""
    database = Database(tmp_path / "singly")
    database.prepare()
    singly = HeldWriter(database)
    singly.start()
    stores = {writer: store, singly: SqliteJobStore(singly, OWNER, Path, SIGNER.verify, CHAIN)}
    jobs = [new_job(number, request_id=f"r{number}" if number % 2 else "") for number in range(12)]
    for written, of in stores.items():
        for number, job in enumerate(jobs):
            begun = job._replace(attempt=1, start_time_us=200 + number)
            end = outcome(begun)
            async with written.held() if written is writer else nullcontext():
                of.defer_creation(job)
                if written is singly:
                    await of.flush()
                of.defer_start(job.id, 200 + number)
                if written is singly:
                    await of.flush()
                finish = of.finish_job(begun, end)
            assert await finish > 0
    for table in ("job", "job_traceback", "image", "receipt_chain", "plugin_counter", "plugin_duration"):
        sql = f"SELECT * FROM {table} ORDER BY 1, 2"
        assert writer.rows(sql) == singly.rows(sql), table
    events = "SELECT revision, job_seq, status, attempt, time, progress_fraction, progress_message FROM job_event"
    assert writer.rows(events) == singly.rows(events)
    await singly.close()


async def test_in_any_mixture(writer: HeldWriter, store: SqliteJobStore) -> None:
    """Batches with jobs in all stages of their lives, operations of other kinds between them: nothing is mixed up."""
    turns = random.Random(7)
    jobs = [new_job(number) for number in range(60)]
    stages = [0] * len(jobs)
    while min(stages) < 3:
        async with writer.held():
            futures = []
            for _ in range(40):
                number = turns.randrange(len(jobs))
                job = jobs[number]._replace(attempt=1, start_time_us=1)
                if stages[number] == 0:
                    futures.append(store.create_job(jobs[number], deferred=True))
                elif stages[number] == 1:
                    futures.append(writer.submit(StartJob(job.id, OWNER, 200 + number)))
                elif stages[number] == 2:
                    if turns.random() < 0.3:
                        futures.append(store.set_progress(job.id, 0.5, "half"))
                    futures.append(store.finish_job(job, outcome(job)))
                else:
                    futures.append(store.request_cancel(job.id))
                stages[number] = min(stages[number] + 1, 3)
        answers = [await future for future in futures]
        assert 0 not in [answer for answer in answers if answer is not False]
    rows = writer.rows("SELECT status, count(*) FROM job GROUP BY status")
    assert rows == [(3, 40), (4, 20)]
    assert writer.rows("SELECT sum(success_count), sum(error_count) FROM plugin_counter") == [(40, 20)]
    assert writer.rows(LATE) == [(0,)]


@pytest.mark.parametrize("fence", ["another owner", "another attempt", "finished", "unknown", "not started"])
async def test_a_fence_in_a_batch(writer: HeldWriter, store: SqliteJobStore, fence: str) -> None:
    """A finish that finds its job in another state answers 0 and writes nothing; its neighbours finish as if alone."""
    jobs = [new_job(number) for number in range(20)]
    barred = 7
    for number, job in enumerate(jobs):
        await store.create_job(job, deferred=False)
        if number != barred or fence != "not started":
            store.defer_start(job.id, 200 + number)
    await writer.submit(lambda tx: tx.execute("SELECT 1"))
    target = jobs[barred]._replace(attempt=1, start_time_us=1)
    finished = set(range(20)) - {barred}
    if fence == "another owner":
        await writer.submit(lambda tx: tx.execute("UPDATE job SET owner = 'thief' WHERE id = ?", (target.id,)))
    elif fence == "another attempt":
        target = target._replace(attempt=2)
    elif fence == "finished":
        assert await store.finish_job(target, outcome(target)) > 0
        finished.add(barred)
    elif fence == "unknown":
        target = target._replace(id=str(uuid.uuid4()))
    async with writer.held():
        begun = [
            target if number == barred else job._replace(attempt=1, start_time_us=1) for number, job in enumerate(jobs)
        ]
        futures = [store.finish_job(job, outcome(job)) for job in begun]
    answers = [await future for future in futures]
    assert answers[barred] == 0
    assert all(answer > 0 for number, answer in enumerate(answers) if number != barred)
    check(writer, jobs, sorted(finished))


async def test_a_job_is_not_created_twice(writer: HeldWriter, store: SqliteJobStore) -> None:
    """A creation with an id that exists fails alone; what was created with it in the batch stays."""
    jobs = [new_job(number) for number in range(5)]
    async with writer.held():
        futures = [store.create_job(job, deferred=True) for job in (*jobs[:3], jobs[1], *jobs[3:])]
    answers = []
    for future in futures:
        try:
            answers.append((await future).revision > 0)
        except Exception as error:  # noqa: BLE001 - looked at below
            answers.append(type(error).__name__)
    assert answers == [True, True, True, "IntegrityError", True, True]
    check(writer, jobs, [])


@pytest.mark.parametrize("removed", [False, True])
async def test_an_image_that_was_kept(writer: HeldWriter, store: SqliteJobStore, *, removed: bool) -> None:
    """A job whose image was found in the store has it, also where it was removed before the job was written."""
    jobs = [new_job(number) for number in range(3)]
    image = replace(jobs[0].image, kept=True)
    await writer.submit(lambda tx: insert_images(tx, [jobs[0]]))
    async with writer.held():
        if removed:
            removal = writer.submit(lambda tx: tx.execute("DELETE FROM image").rowcount)
        for job in jobs:
            begun = job._replace(image=image, attempt=1, start_time_us=1)
            store.defer_creation(begun._replace(attempt=0, start_time_us=0))
            store.defer_start(job.id, 1)
            finish = store.finish_job(begun, outcome(begun))
    assert not removed or await removal == 1
    assert await finish > 0
    assert writer.rows("SELECT count(*), data FROM job JOIN image ON image.seq = image_seq WHERE status > 2") == [
        (3, image.data)
    ]
