"""Every schema that was released, with data in it, becomes the newest with all rows intact."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runward_service.store.database import Database, SchemaError, migrations
from runward_service.store.job_reader import JobQuery, SqliteJobReader
from tests.store.test_migrations import schema_of

SCHEMAS = Path(__file__).parent / "schemas"
RELEASED = sorted(path.stem for path in SCHEMAS.glob("*.sql"))
KEPT = {
    "job": "seq, id, tenant, principal, request_id, mode, plugin, plugin_version, status, mime_type, options, labels, "
    "priority, timeout, queue_deadline, max_attempts, attempt, lost_attempts, owner, claimable, cancel_requested, "
    "create_time, start_time, end_time, change_time, revision, progress_fraction, progress_message, result, "
    "output_digest, cached, error_reason, error_message, error_details, error_plugin, error_time",
    "job_event": "revision, job_seq, status, attempt, time, progress_fraction, progress_message",
    "job_traceback": "*",
    "image": "tenant, digest, size_bytes, create_time, data",
    "plugin_counter": "plugin, success_count, error_count, run_count, total_duration, last_duration, last_used_time",
    "plugin_duration": "*",
    "disabled_plugin": "*",
    "owner": "*",
}
"""What a migration has no reason to change."""


def released(folder: Path, schema: str) -> Database:
    """A data folder as a release left it."""
    with closing(sqlite3.connect(folder / "runward.db")) as connection:
        connection.executescript((SCHEMAS / f"{schema}.sql").read_text())
    return Database(folder)


def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """The data."""
    with closing(sqlite3.connect(database.path)) as connection:
        return {
            table: sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=str)
            for table, columns in KEPT.items()
        }


def test_every_released_schema_has_its_fixture() -> None:
    """Whoever adds a migration keeps a database of the schema before."""
    assert [f"{number:04}" for number, _ in migrations()[:-1]] == RELEASED


@pytest.mark.parametrize("schema", RELEASED)
async def test_it_is_migrated_with_its_data(tmp_path: Path, schema: str) -> None:
    """All rows are there, the schema is that of a new database, references hold, and the jobs are read as before."""
    database = released(tmp_path, schema)
    before = rows(database)
    assert all(before.values())
    assert {row[8] for row in before["job"]} == {1, 2, 3, 4}
    database.prepare()
    assert rows(database) == before
    (tmp_path / "new").mkdir()
    Database(tmp_path / "new").prepare()
    assert schema_of(tmp_path) == schema_of(tmp_path / "new")
    with closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        digests = connection.execute("SELECT job.id, image.digest FROM job JOIN image ON image.seq = image_seq")
        digest_of = dict(digests.fetchall())
        finished = connection.execute("SELECT count(*) FROM job WHERE end_time > 0").fetchone()[0]
        assert connection.execute("SELECT log_floor, past_jobs FROM retention").fetchall() == [(0, 0)]
    reader = SqliteJobReader(database)
    await reader.open()
    try:
        page = await reader.list_jobs(JobQuery("default"), 100)
        assert {job.id: job.image.digest for job in page.jobs} == digest_of
        assert len(page.jobs) == len(before["job"])
        assert sum(job.status.terminal for job in page.jobs) == finished
        assert await reader.last_revision() == max(row[0] for row in before["job_event"])
    finally:
        await reader.close()


def test_a_damaged_database_is_not_migrated(tmp_path: Path) -> None:
    """Where a row refers to one that is not there, the migration says so and changes nothing."""
    database = released(tmp_path, "0001")
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("DELETE FROM job WHERE status = 3")
    before = schema_of(tmp_path)
    with pytest.raises(SchemaError, match="damaged"):
        database.prepare()
    assert schema_of(tmp_path) == before
