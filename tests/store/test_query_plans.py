"""What a statement costs does not grow with the number of stored jobs: each finds its rows by an index."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from runward_service.domain.job import JobStatus
from runward_service.store.database import migrate
from runward_service.store.job_reader import list_statement
from runward_service.store.row_statements import by_chunk
from runward_service.store.statements import statements

STORE = statements("job_store.sql")
CLAIMS = statements("claims.sql")
KEYS = [("tenant", "principal", f"id {number}") for number in range(3)]
CASES = {
    "job_by_request_id": (STORE["job_by_request_id"], "job_request_id"),
    "first_jobs": (CLAIMS["first_jobs"], "job_claimable_by_priority"),
    "oldest_jobs": (CLAIMS["oldest_jobs"], "job_claimable_by_age"),
    "claim_jobs": (next(by_chunk("claims.sql", "claim_jobs", [(1, 2, 3, 4)] * 3))[0], "INTEGER PRIMARY KEY"),
    "jobs_with_image": (next(by_chunk("job_reader.sql", "jobs_with_image", [(1,)] * 3))[0], "INTEGER PRIMARY KEY"),
    "jobs_by_request_id": (next(by_chunk("job_store.sql", "jobs_by_request_id", KEYS))[0], "job_request_id"),
}


@pytest.mark.parametrize("name", CASES)
def test_by_an_index(name: str) -> None:
    """The job table is searched by the index named, never scanned, and nothing is sorted."""
    sql, index = CASES[name]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        unbound = dict.fromkeys(range(sql.count("?")))
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", list(unbound.values()))]
    assert any(step.startswith("SEARCH job USING") and index in step for step in plan), plan
    assert not any(step.startswith("SCAN job") or "TEMP B-TREE" in step for step in plan), plan


@pytest.mark.parametrize(
    ("statuses", "found_by"),
    [
        ([JobStatus.FAILED], "INDEX job_failed (tenant=? AND rowid<?)"),
        ([JobStatus.PENDING], "INTEGER PRIMARY KEY (rowid=?)"),
        ([JobStatus.RUNNING, JobStatus.PENDING], "INTEGER PRIMARY KEY (rowid=?)"),
        ([], "INTEGER PRIMARY KEY (rowid<?)"),
        ([JobStatus.SUCCESS], "INTEGER PRIMARY KEY (rowid<?)"),
        ([JobStatus.RUNNING, JobStatus.FAILED], "INTEGER PRIMARY KEY (rowid<?)"),
    ],
)
def test_failed_and_unfinished_jobs_are_not_looked_for_among_all(statuses: list[JobStatus], found_by: str) -> None:
    """Those that failed, and those that have not ended, are listed by their indexes; all others from the newest on, in
    order, without being sorted.
    """
    sql = list_statement(statuses)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        unbound = dict.fromkeys(re.findall(r":([a-z_]+)", sql))
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", unbound)]
    assert plan[0] == f"SEARCH job USING {found_by}", plan
    assert ("SCAN job USING INDEX job_unfinished" in plan) == ("(rowid=?)" in found_by), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


def test_a_jobs_events_are_found_by_it() -> None:
    """Those of a whole life by their revisions, all others by the index: one page of them without being sorted."""
    sql = statements("job_reader.sql")["job_log_page"]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        parameters = {"id": "", "after": 0, "limit": 1}
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    searches = [step for step in plan if "job_event" in step]
    assert searches == [
        "SEARCH job_event USING INDEX job_event_job (job_seq=? AND revision>?)",
        "SEARCH job_event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    ]
    assert "MERGE (UNION ALL)" in plan


@pytest.mark.parametrize("name", ["callers_after", "callers_up_to"])
def test_turns_by_the_primary_key(name: str) -> None:
    """Whose turn it is costs no look at callers whose turn it is not."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {CLAIMS[name]}", ["p", "t", "c", 5])]
    assert len(plan) == 1, plan
    assert plan[0].startswith("SEARCH queued USING PRIMARY KEY (plugin=? AND "), plan
