"""Lists of jobs by status: whichever statement they come from, they are the jobs that a look at all would find."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import chain, combinations
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.job import JobStatus
from runward_service.store.job_reader import JobQuery, SqliteJobReader
from tests.store.test_released_schemas import RELEASED, released

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.domain.job import Job

SETS = list(chain.from_iterable(combinations(JobStatus, count) for count in range(len(JobStatus) + 1)))


async def listed(reader: SqliteJobReader, query: JobQuery, page_size: int) -> list[Job]:
    """List all pages of a query."""
    jobs: list[Job] = []
    before = 0
    while True:
        page = await reader.list_jobs(query, page_size, before)
        jobs += page.jobs
        if not (before := page.next_before):
            return jobs


@pytest.mark.parametrize("statuses", SETS, ids=lambda statuses: "+".join(status.name for status in statuses) or "any")
async def test_a_list_has_the_jobs_in_its_statuses(tmp_path: Path, statuses: tuple[JobStatus, ...]) -> None:
    """Of each tenant the jobs in these statuses, newest first, page by page, each once."""
    database = released(tmp_path, RELEASED[-1])
    database.prepare()
    with closing(sqlite3.connect(database.path)) as connection:
        tenants = [row[0] for row in connection.execute("SELECT DISTINCT tenant FROM job")]
        expected = {
            tenant: [
                job_id
                for job_id, status in connection.execute(
                    "SELECT id, status FROM job WHERE tenant = ? ORDER BY seq DESC", (tenant,)
                )
                if not statuses or status in statuses
            ]
            for tenant in tenants
        }
    assert sum(map(len, expected.values())) > 0
    reader = SqliteJobReader(database)
    await reader.open()
    try:
        for tenant in tenants:
            found = await listed(reader, JobQuery(tenant, statuses=statuses), 2)
            assert [job.id for job in found] == expected[tenant], tenant
    finally:
        await reader.close()
