"""The reader, large images, owners' locks, and the histogram."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runward_service.domain.image import HEAD_BYTES
from runward_service.store.database import Database
from runward_service.store.histogram import bucket_of, duration_of, percentile
from runward_service.store.images import INLINE_BYTES, ImageStore
from runward_service.store.job_reader import SqliteJobReader
from runward_service.store.owner_lock import OwnerLock, forget, is_dead
from runward_service.store.statements import statements
from tests.store.jobs import OWNER

if TYPE_CHECKING:
    from pathlib import Path

WIDTHS = {
    "jobs_by_request_id": 3,
    "claim_jobs": 4,
    "give_back": 3,
    "add_durations": 3,
    "insert_images": 5,
    "insert_jobs": 23,
    "insert_whole_lives": 37,
    "start_jobs": 4,
    "finish_jobs": 17,
    "insert_receipts": 7,
    "keep": 4,
    "renew": 4,
}
"""How many values a row of the statements for many rows has."""
HOLD = "import sys; from pathlib import Path; from runward_service.store.owner_lock import OwnerLock; "
HOLD += "OwnerLock(Path(sys.argv[1]), 'other').hold(); print('held', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("sql", ["DELETE FROM owner", "CREATE TABLE x (y)", "INSERT INTO owner VALUES ('a', 1, 1)"])
async def test_readers_cannot_write(tmp_path: Path, sql: str) -> None:
    """The reader's connection refuses every change, whatever a bug would ask of it."""
    database = Database(tmp_path)
    database.prepare()
    reader = SqliteJobReader(database)
    await reader.open()
    try:
        with pytest.raises(sqlite3.OperationalError, match="readonly database"):
            await reader._connection.execute_fetchall(sql)
        assert await reader.last_revision() == 0
    finally:
        await reader.close()


@pytest.mark.parametrize(
    "name",
    [
        "backup.sql",
        "claims.sql",
        "job_store.sql",
        "job_reader.sql",
        "job_removal.sql",
        "kept_results.sql",
        "receipts.sql",
        "transitions.sql",
    ],
)
def test_every_statement_fits_the_schema(tmp_path: Path, name: str) -> None:
    """Each named statement is one that SQLite can prepare against the migrated database."""
    database = Database(tmp_path)
    database.prepare()
    connection = database.connect()
    try:
        found = {key: sql for key, sql in statements(name).items() if key != "job_columns"}
        assert len(found) >= 5
        for key, text in found.items():
            sql = text.replace("{among}", "1").replace("{rows}", f"({', '.join('?' * WIDTHS.get(key, 1))})")
            marks = len(set(re.findall(r"\?\d+", sql))) or sql.count("?")
            parameters = [None] * marks if marks else dict.fromkeys(
                ("tenant", "before_seq", "plugin", "statuses", "labels", "create_time_from", "create_time_before",
                 "limit", "after", "upto", "id")
            )  # fmt: skip
            assert connection.execute(f"EXPLAIN {sql}", parameters).fetchall(), key
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["queued_counts", "claimable_plugins", "owners", "next_queue_deadline"])
def test_what_is_asked_often_does_not_read_every_job(tmp_path: Path, name: str) -> None:
    """Questions about unfinished jobs go through an index that holds only those."""
    database = Database(tmp_path)
    database.prepare()
    connection = database.connect()
    try:
        plan = str(connection.execute(f"EXPLAIN QUERY PLAN {statements('job_reader.sql')[name]}").fetchall())
    finally:
        connection.close()
    assert "SCAN job" not in plan, plan


async def test_small_images_stay_in_memory(tmp_path: Path) -> None:
    """Up to the inline size an image is its digest, size and bytes, and no file."""
    data = bytes(INLINE_BYTES)
    image = await ImageStore(tmp_path, OWNER).put(data)
    assert (image.digest, image.size_bytes) == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    assert (image.data, image.path, image.head()) == (data, None, data[:HEAD_BYTES])
    assert list(tmp_path.iterdir()) == []


async def test_large_images_are_files_by_content(tmp_path: Path) -> None:
    """One file a content, named by its digest, complete when put returns; many at once make one, and no leftovers."""
    data = os.urandom(INLINE_BYTES + 1)
    images = ImageStore(tmp_path, OWNER)
    stored = await asyncio.gather(*(images.put(data) for _ in range(8)))
    assert len({image.digest for image in stored}) == 1
    assert stored[0].path == images.path_of(stored[0].digest)
    assert stored[0].data is None
    assert stored[0].head() == data[:HEAD_BYTES]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [stored[0].path]
    assert stored[0].path.read_bytes() == data


async def test_a_folder_of_images_that_was_removed_by_hand(tmp_path: Path) -> None:
    """Its next image makes it again, although this process has made it before."""
    images = ImageStore(tmp_path, OWNER)
    data = bytes(INLINE_BYTES + 1)
    first = await images.put(data)
    assert first.path is not None
    first.path.unlink()
    first.path.parent.rmdir()
    again = await images.put(data)
    assert again == first
    assert first.path.read_bytes() == data


async def test_a_living_owner_is_not_dead(tmp_path: Path) -> None:
    """A lock that another process holds proves it alive; its end, by SIGKILL too, proves it dead."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(tmp_path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"held\n"
        assert not is_dead(tmp_path, "other")
        assert not is_dead(tmp_path, "other")
    finally:
        process.kill()
        await process.communicate()
    assert is_dead(tmp_path, "other")
    forget(tmp_path, "other")
    assert list(tmp_path.iterdir()) == []
    forget(tmp_path, "other")


def test_an_owner_without_a_file_is_dead(tmp_path: Path) -> None:
    """A clean stop removes the file; whoever finds none knows that the owner has ended."""
    lock = OwnerLock(tmp_path, "me")
    lock.hold()
    with (tmp_path / "me.lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not is_dead(tmp_path, "me")
    lock.release()
    lock.release()
    assert is_dead(tmp_path, "me")


@given(st.integers(1, 10**12))
def test_a_bucket_is_nine_percent_wide(duration_us: int) -> None:
    """What is read from the histogram is within 4.5 percent of what was counted, rounded to a microsecond."""
    told = duration_of(bucket_of(duration_us))
    assert abs(told - duration_us) <= 0.045 * duration_us + 0.5


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_percentiles_are_those_of_the_sorted_durations(durations: list[int], share: float) -> None:
    """The told percentile lies in the bucket of the true one."""
    counts: dict[int, int] = {}
    for duration_us in durations:
        counts[bucket_of(duration_us)] = counts.get(bucket_of(duration_us), 0) + 1
    rank = -int(-len(durations) * share // 1)
    true = sorted(durations)[rank - 1]
    assert percentile(counts, share) == duration_of(bucket_of(true))


def test_no_durations_no_percentile() -> None:
    """Nothing counted is told as 0."""
    assert percentile({}, 0.99) == 0
