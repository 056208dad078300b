"""What a statement costs does not grow with the number of stored jobs: each finds its rows by an index."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from runward_service.store.database import migrate
from runward_service.store.row_statements import by_chunk
from runward_service.store.statements import statements

STORE = statements("job_store.sql")
KEYS = [("tenant", "principal", f"id {number}") for number in range(3)]
CASES = {
    "job_by_request_id": (STORE["job_by_request_id"], "job_request_id"),
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
