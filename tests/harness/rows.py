"""Job rows written with raw SQL, past every layer: only the database itself can refuse them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from runward_service.domain.job import JobStatus
from runward_service.store.database import Database
from runward_service.store.statements import statements

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

DIGEST = "sha256:" + "a" * 64
NEW: dict[str, Any] = {
    "tenant": "default",
    "principal": "anonymous",
    "mode": 2,
    "plugin": "noop",
    "plugin_version": "1.0.0",
    "status": 1,
    "image_seq": 1,
    "mime_type": "image/png",
    "options": "{}",
    "labels": "{}",
    "priority": 0,
    "timeout": 1000,
    "max_attempts": 2,
    "claimable": 0,
    "create_time": 10,
    "change_time": 10,
}
"""A job that was just accepted."""
RUN = "status = 2, attempt = attempt + 1, owner = 'o', start_time = 20, change_time = 20"
SUCCEED = "status = 3, result = x'00', end_time = 30, change_time = 30"
FAIL = "status = 4, error_reason = 'TIMEOUT', end_time = 30, change_time = 30"
STEPS: dict[JobStatus, list[str]] = {
    JobStatus.PENDING: [],
    JobStatus.RUNNING: [RUN],
    JobStatus.SUCCESS: [RUN, SUCCEED],
    JobStatus.FAILED: [RUN, FAIL],
}
"""The way of a job to each status."""


def new_database(folder: Path) -> sqlite3.Connection:
    """A migrated database with one image, and a connection that the caller closes."""
    database = Database(folder)
    database.prepare()
    connection = database.connect()
    connection.execute("INSERT INTO image VALUES (1, 'default', ?, 1, 1, x'00')", (DIGEST,))
    return connection


def last_revision(connection: sqlite3.Connection) -> int:
    """The last revision that was given out."""
    row = connection.execute(statements("job_reader.sql")["last_revision"]).fetchone()
    return int(row[0])


def insert(connection: sqlite3.Connection, **columns: Any) -> str:
    """Insert a job row; its id. Raises sqlite3.IntegrityError where the database forbids it."""
    row = {"id": str(uuid.uuid4()), "revision": last_revision(connection) + 1, **NEW, **columns}
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO job ({names}) VALUES ({marks})", tuple(row.values()))
    return str(row["id"])


def change(connection: sqlite3.Connection, job_id: str, assignments: str, revision: int | None = None) -> None:
    """Change a job row, under the next revision unless another is given; an end comes with a receipt."""
    if "status = 3" in assignments or "status = 4" in assignments:
        assignments += f", receipt_seq = {add_receipt(connection, job_id)}"
    chosen = last_revision(connection) + 1 if revision is None else revision
    cursor = connection.execute(f"UPDATE job SET {assignments}, revision = ? WHERE id = ?", (chosen, job_id))
    assert cursor.rowcount == 1


def add_receipt(connection: sqlite3.Connection, job_id: str) -> int:
    """An entry of a job's receipt in the chain, of which only the database thinks well; its seq."""
    sql = (
        "INSERT INTO receipt_chain (kind, key_id, job_id, receipt, mac) VALUES (1, 'k', ?, zeroblob(32), zeroblob(32))"
    )
    return connection.execute(sql, (job_id,)).lastrowid or 0


def job_in(connection: sqlite3.Connection, status: JobStatus) -> str:
    """A new job that has come to a status by the legal way; its id."""
    job_id = insert(connection)
    for step in STEPS[status]:
        change(connection, job_id, step)
    return job_id
