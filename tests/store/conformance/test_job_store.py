"""What every store has to keep: claims, fences, owners, and a log that is read by cursor."""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runward_service.domain.artifact import Artifact
from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import JobMode, JobStatus
from runward_service.domain.outcome import Outcome
from runward_service.store.job_reader import JobQuery
from tests.harness.service import refusal
from tests.store.jobs import SIGNER, new_job, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.domain.job import Job
    from runward_service.store.log_entry import LogEntry
    from tests.store.conformance.conftest import Owner

PENDING, RUNNING, SUCCESS, FAILED = JobStatus
ALL = JobQuery("default")


def waiting(number: int, **fields: Any) -> Job:
    """A job that any owner may claim; those with numbers that three does not divide succeed."""
    values = {"mode": JobMode.ASYNC, "owner": "", "plugin": "noop", **fields}
    return new_job(number, **values)


async def created(owner: Owner, *jobs: Job) -> list[Job]:
    """Store jobs; with their revisions."""
    found = await owner.store.create_jobs(jobs)
    return [job._replace(revision=creation.revision) for job, creation in zip(jobs, found, strict=True)]


async def log(owner: Owner, after: int = 0) -> list[LogEntry]:
    """The log after a revision, read in small pages."""
    found: list[LogEntry] = []
    while page := (await owner.reader.log_tail(after, 3)).entries:
        found += page
        after = page[-1].revision
    return found


async def test_what_one_stores_the_other_reads(owners: tuple[Owner, Owner]) -> None:
    """An acknowledged job is there for every process, PENDING, with one event of its revision."""
    one, other = owners
    (job,) = await created(one, waiting(1, labels={"a": "b"}))
    found = await other.reader.get_job(job.id, "default")
    assert (found.status, found.revision, found.labels) == (PENDING, job.revision, {"a": "b"})
    assert [(entry.job_id, entry.revision, entry.status) for entry in await log(other)] == [
        (job.id, job.revision, PENDING)
    ]
    assert await other.reader.claimable_plugins() == ["noop"]
    error = await refusal(other.reader.get_job(job.id, "elsewhere"))
    assert error.reason is ErrorReason.JOB_NOT_FOUND


async def test_a_request_id_makes_one_job(owners: tuple[Owner, Owner]) -> None:
    """The same request id of a principal, also at the same time at two processes, gives one job."""
    one, other = owners
    jobs = [waiting(1, request_id="r"), waiting(1, request_id="r")]
    (first,), (second,) = await asyncio.gather(one.store.create_jobs(jobs[:1]), other.store.create_jobs(jobs[1:]))
    assert sorted([bool(first.existing_id), bool(second.existing_id)]) == [False, True]
    stored = {jobs[0].id if not first.existing_id else jobs[1].id}
    assert {first.existing_id, second.existing_id} - {""} == stored
    assert {entry.job_id for entry in await log(one)} == stored


async def test_no_job_is_claimed_twice(owners: tuple[Owner, Owner]) -> None:
    """However two processes claim at the same time, each job goes to one of them, once."""
    one, other = owners
    jobs = await created(one, *(waiting(number) for number in range(60)))
    claims = await asyncio.gather(*(owner.store.claim_jobs("noop", 7) for _ in range(6) for owner in owners))
    taken = [job.id for claim in claims for job in claim]
    assert sorted(taken) == sorted(job.id for job in jobs)
    for owner, claim in zip((one, other) * 6, claims, strict=True):
        assert all((job.status, job.attempt, job.owner) == (RUNNING, 1, owner.name) for job in claim)
    assert await one.store.claim_jobs("noop", 1) == []


async def test_a_finish_is_fenced(owners: tuple[Owner, Owner]) -> None:
    """Only the owner, in its attempt, ends a job, and once."""
    one, other = owners
    await created(one, waiting(1))
    (job,) = await one.store.claim_jobs("noop", 1)
    stale = outcome(job)
    assert await other.store.finish_job(job, outcome(job)) == 0
    assert await one.store.next_attempt(job, stale)
    assert await one.store.finish_job(job, outcome(job)) == 0
    again = job._replace(attempt=2, lost_attempts=1)
    assert await one.store.finish_job(again, outcome(again)) > job.revision
    assert await one.store.finish_job(again, outcome(again)) == 0
    assert await one.store.next_attempt(again, outcome(again)) is False
    assert await one.store.set_progress(job.id, 0.5, "late") == 0
    assert await one.store.request_cancel(job.id) is False
    statuses = [(entry.status, entry.job.attempt) for entry in await log(other)]
    assert statuses == [(PENDING, 0), (RUNNING, 1), (RUNNING, 2), (SUCCESS, 2)]


async def test_artifacts_are_stored_with_the_end(owners: tuple[Owner, Owner]) -> None:
    """They are listed with the end, in their order, by every process, in lists and changes too; a finish that is
    refused stores none. The bytes of one that a job of the tenant has need not be given again.
    """
    one, other = owners
    await created(one, waiting(1), waiting(2))
    jobs = await one.store.claim_jobs("noop", 2)
    data = {"b.txt": b"one", "a.txt": b"two"}
    artifacts = tuple(
        Artifact(name, f"sha256:{hashlib.sha256(content).hexdigest()}", 3, "text/plain", content)
        for name, content in data.items()
    )
    assert await other.store.finish_job(jobs[0], gave(jobs[0], artifacts)) == 0
    assert (await other.reader.get_job(jobs[0].id, None)).artifacts == ()
    assert await one.store.finish_job(jobs[0], gave(jobs[0], artifacts)) > 0
    known = tuple(replace(artifact, data=None) for artifact in artifacts[:1])
    assert await one.store.finish_job(jobs[1], gave(jobs[1], known)) > 0
    for job, expected in zip(jobs, (artifacts, known), strict=True):
        assert (await other.reader.get_job(job.id, None)).artifacts == expected
    listed = {job.id: job.artifacts for job in (await other.reader.list_jobs(JobQuery("default"), 9)).jobs}
    assert listed == {jobs[0].id: artifacts, jobs[1].id: known}
    seen = {(entry.job_id, entry.status): entry.job.artifacts for entry in await log(other)}
    assert seen[jobs[0].id, RUNNING] == ()
    assert seen[jobs[0].id, SUCCESS] == artifacts


def gave(job: Job, artifacts: tuple[Artifact, ...]) -> Outcome:
    """A successful outcome with artifacts."""
    made = Outcome(job.id, job.attempt, job.plugin, 300, 10, ran=True, result=b"", artifacts=artifacts)
    return SIGNER.signed(made, job)


async def test_an_end_without_a_run(owners: tuple[Owner, Owner]) -> None:
    """A waiting job that ends passes through RUNNING; one that was claimed meanwhile is left alone."""
    one, other = owners
    first, second = await created(one, waiting(3), waiting(6))
    (claimed,) = await other.store.claim_jobs("noop", 1)
    assert claimed.id == first.id
    assert await one.store.end_unrun_job(first, outcome(first)) == 0
    assert await one.store.end_unrun_job(second, outcome(second)) > 0
    page = await one.reader.job_log_page(second.id, 0, 10)
    assert [entry.status for entry in page.entries] == [PENDING, RUNNING, FAILED]


async def test_a_cancel_is_a_mark(owners: tuple[Owner, Owner]) -> None:
    """Whoever runs a job finds the mark that another process set."""
    one, other = owners
    await created(one, waiting(1))
    (job,) = await other.store.claim_jobs("noop", 1)
    assert await one.store.request_cancel(job.id)
    assert await other.reader.cancel_requests("other") == [job.id]
    assert await other.reader.cancel_requests("one") == []


async def test_what_a_dead_owner_leaves(owners: tuple[Owner, Owner]) -> None:
    """Its jobs that have attempts left become claimable, another's stay; it is forgotten once nothing is left."""
    one, other = owners
    await created(one, *(waiting(number, max_attempts=attempts) for number, attempts in ((1, 2), (2, 1), (4, 2))))
    lost = await other.store.claim_jobs("noop", 2)
    (kept,) = await one.store.claim_jobs("noop", 1)
    assert await one.store.remove_owner("other") is False
    assert await one.store.release_lost("other") == 1
    assert await one.reader.owned_jobs("other") == [lost[1].id]
    assert await one.reader.owned_jobs("one") == [kept.id]
    assert await one.store.end_unrun_job(lost[1], outcome(lost[1])) > 0
    assert await one.store.remove_owner("other") is True
    (again,) = await one.store.claim_jobs("noop", 5)
    assert (again.id, again.attempt, again.lost_attempts) == (lost[0].id, 2, 1)
    assert await one.reader.owners() == ["one"]


async def test_a_drain_gives_back_without_loss(owners: tuple[Owner, Owner]) -> None:
    """What an owner gives back is claimed by another, as the next attempt, none counted as lost."""
    one, other = owners
    await created(one, waiting(1))
    await one.store.claim_jobs("noop", 1)
    assert await one.store.release_drained() == 1
    (job,) = await other.store.claim_jobs("noop", 1)
    assert (job.attempt, job.lost_attempts) == (2, 0)


async def test_what_was_claimed_ahead_and_has_not_begun_loses_no_attempt(owners: tuple[Owner, Owner]) -> None:
    """A claim tells how many of its jobs may begin; the next one tells that all of those may. The others of a dead
    owner run again, also where they have one attempt alone.
    """
    one, other = owners
    await created(one, *(waiting(number, max_attempts=1) for number in range(9)))
    begun = await other.store.claim_jobs("noop", 3, 1)
    assert await other.store.set_progress(begun[0].id, 0.5, "")
    begun += (await other.store.claim_jobs("noop", 4, 2))[:2]
    assert await one.store.release_lost("other") == 2
    assert await one.reader.owned_jobs("other") == [job.id for job in begun]
    again = await one.store.claim_jobs("noop", 9, 0)
    assert [(job.attempt, job.lost_attempts) for job in again] == [(2, 0)] * 2 + [(1, 0)] * 2
    assert await one.store.release_lost("one") == 0  # fewer than were asked for: all of them may begin


async def test_what_has_not_begun_is_given_back(owners: tuple[Owner, Owner]) -> None:
    """Another claims it, none of its attempts lost; what is no longer the owner's, in that attempt, stays."""
    one, other = owners
    await created(one, *(waiting(number) for number in (1, 2)))
    first, second = await one.store.claim_jobs("noop", 2)
    assert await one.store.finish_job(first, outcome(first)) > 0
    assert await other.store.give_back([second]) == 0
    assert await one.store.give_back([first, second]) == 1
    (job,) = await other.store.claim_jobs("noop", 2)
    assert (job.id, job.attempt, job.lost_attempts) == (second.id, 2, 0)
    assert await one.store.give_back([second]) == 0


async def test_a_cursor_misses_nothing(owners: tuple[Owner, Owner]) -> None:
    """While two processes write, one who reads the log by cursor sees every change once, in order: no lower revision
    appears after a higher one was seen, which a sequence alone does not promise.
    """
    writing = asyncio.gather(*(write(owner, start) for start, owner in enumerate(owners)))
    seen: list[int] = []
    while not writing.done() or seen[-1] < await owners[0].reader.last_revision():
        page = await owners[0].reader.log_tail(seen[-1] if seen else 0, 5)
        seen += [entry.revision for entry in page.entries]
        await asyncio.sleep(0)
    await writing
    everything = [entry.revision for entry in await log(owners[1])]
    assert seen == everything == sorted(set(everything))
    assert len(seen) == 2 * 3 * 40


async def write(owner: Owner, start: int) -> None:
    """Forty jobs from their creation to their end, in batches of chance."""
    turns = random.Random(start)
    left = 40
    while left:
        count = min(turns.randint(1, 5), left)
        await created(owner, *(waiting(3 * number + 1, plugin=owner.name) for number in range(count)))
        claimed = await owner.store.claim_jobs(owner.name, count)
        await asyncio.gather(*(owner.store.finish_job(job, outcome(job)) for job in claimed))
        left -= count


async def test_the_log_is_filtered(owners: tuple[Owner, Owner]) -> None:
    """By tenant, plugin, statuses of the changes, labels; up to a revision; and from any cursor."""
    one, _ = owners
    await created(one, waiting(1, labels={"a": "b", "c": "d"}), waiting(2, plugin="echo"), waiting(4, tenant="else"))
    for job in await one.store.claim_jobs("noop", 1):
        await one.store.finish_job(job, outcome(job))
    last = await one.reader.last_revision()
    entries = await log(one)
    cases: list[tuple[JobQuery, Callable[[LogEntry], bool]]] = [
        (ALL, lambda entry: entry.tenant == "default"),
        (JobQuery("else"), lambda entry: entry.tenant == "else"),
        (JobQuery("default", plugin="echo"), lambda entry: entry.plugin == "echo"),
        (JobQuery("default", statuses=(SUCCESS, RUNNING)), lambda entry: entry.status in {SUCCESS, RUNNING}),
        (JobQuery("default", labels={"c": "d"}), lambda entry: "c" in entry.labels),
        (JobQuery("default", labels={"c": "b"}), lambda entry: False),
    ]
    for query, fits in cases:
        for after in range(last):
            page = await one.reader.log_page(query, after, last, 100)
            wanted = [entry.revision for entry in entries if entry.revision > after and fits(entry)]
            assert ([entry.revision for entry in page.entries], page.upto) == (wanted, last)
    assert await one.reader.log_floor() == 0
