"""Finished jobs to remove, and what is left of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runward_service.store.transitions import CreateJob, FinishJob, StartJob
from tests.store.jobs import CHAIN, OWNER, SIGNER, new_job, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.domain.job import Job
    from tests.store.held_writer import HeldWriter

FAR = 10**15


async def create(writer: HeldWriter, jobs: Sequence[Job]) -> None:
    """Store PENDING jobs."""
    await asyncio.gather(*(writer.submit(CreateJob(job)) for job in jobs))


async def finish(writer: HeldWriter, jobs: Sequence[Job]) -> None:
    """Start and finish stored jobs; job ``n`` starts at 50 µs and ends at 300 + n µs."""
    starts = [writer.submit(StartJob(job.id, OWNER, 50)) for job in jobs]
    begun = [job._replace(attempt=1, start_time_us=50) for job in jobs]
    ends = [writer.submit(finish_of(job)) for job in begun]
    assert all(await asyncio.gather(*starts, *ends))


def finish_of(job: Job) -> FinishJob:
    """The end of a job that runs."""
    end = outcome(job)
    return FinishJob(job, OWNER, end, SIGNER.verify(end, job), CHAIN)


async def finished(writer: HeldWriter, count: int, first: int = 0, **fields: Any) -> list[Job]:
    """Store jobs and finish them, one after another in the log."""
    jobs = [new_job(number, **fields) for number in range(first, first + count)]
    for job in jobs:
        await create(writer, [job])
        await finish(writer, [job])
    return jobs


def left(writer: HeldWriter) -> list[str]:
    """The ids of the jobs that are there, oldest first."""
    return [row[0] for row in writer.rows("SELECT id FROM job ORDER BY seq")]


def state(writer: HeldWriter) -> tuple[int, int]:
    """The log's floor, and how many finished jobs no longer count."""
    ((floor, past),) = writer.rows("SELECT log_floor, past_jobs FROM retention")
    return floor, past
