"""Backups and their restoration, on real folders; tests/acceptance/test_maintenance.py has them beside a server."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.retention_policy import RetentionPolicy
from runward_service.store import backup
from runward_service.store.audit import audit
from runward_service.store.backup import BackupError, back_up, restore
from runward_service.store.damaged_blobs import DamagedBlobs
from runward_service.store.database import Database, SchemaError, migrations
from runward_service.store.images import INLINE_BYTES
from runward_service.store.job_removal import SqliteJobRemoval
from tests.store.jobs import CHAIN, KEYS, new_job
from tests.store.removals import FAR, create, finished, left, state
from tests.store.test_image_files import at, stored
from tests.store.test_migrations import version_of
from tests.store.test_released_schemas import released, rows

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.domain.job import Job
    from runward_service.domain.receipt_keys import ReceiptKeys
    from tests.store.held_writer import HeldWriter


def keys_at_hand() -> ReceiptKeys:
    """The keys, for a backup that needs them."""
    return KEYS


def quiet(*_: object) -> None:
    """Progress that nobody sees."""


def one(database: Database, sql: str) -> tuple[Any, ...]:
    """A row of a database."""
    with closing(sqlite3.connect(database.path)) as connection:
        row: tuple[Any, ...] = connection.execute(sql).fetchone()
        return row


async def test_what_is_backed_up_is_what_was_there(writer: HeldWriter, tmp_path: Path) -> None:
    """Jobs, events, counters, inline images and image files are the same after a backup and a restoration; revisions
    go on far ahead, and the log is marked as compacted.
    """
    images, _ = at(writer)
    await finished(writer, 5)
    job = await stored(writer, images, os.urandom(INLINE_BYTES + 1), 9)
    await create(writer, [new_job(10)])
    told: list[tuple[str, int, int]] = []
    summary = back_up(writer.database, tmp_path / "backup", keys_at_hand, lambda *step: told.append(step))
    assert (summary.jobs, summary.image_files) == (7, 1)
    assert {what for what, _, _ in told} == {"database", "images"}
    assert told[-1] == ("images", 1, 1)
    target = Database(tmp_path / "deep" / "restored")
    assert restore(tmp_path / "backup", target, quiet) == summary
    for table in ("job", "job_event", "job_traceback", "image", "plugin_counter", "plugin_duration"):
        sql = f"SELECT * FROM {table}"
        with closing(sqlite3.connect(target.path)) as connection:
            assert connection.execute(sql).fetchall() == writer.rows(sql), table
    file = images.path_of(job.image.digest)
    assert (target.images / file.relative_to(writer.database.images)).read_bytes() == file.read_bytes()
    (last,) = writer.rows("SELECT max(revision) FROM job_event")
    floor, next_after, looked_upto = one(target, "SELECT log_floor, last_revision, looked_upto FROM retention")
    assert floor == next_after == last[0] + backup.LOST_REVISIONS
    assert looked_upto == 0
    assert audit(target, KEYS, quiet).verdict == "WHOLE"


def remove(writer: HeldWriter, job: Job) -> None:
    """Remove the rows of a job and its image, as a server does before it removes the file."""
    with closing(sqlite3.connect(writer.database.path)) as connection, connection:
        connection.execute("DROP TRIGGER job_unfinished_stays")
        connection.execute("DELETE FROM job WHERE id = ?", (job.id,))
        connection.execute("DELETE FROM image WHERE digest = ?", (job.image.digest,))


async def test_a_restored_store_goes_on_expiring(writer: HeldWriter, tmp_path: Path) -> None:
    """Jobs of before the restoration are found by age and count as ever."""
    from tests.store.held_writer import HeldWriter as Writer  # noqa: PLC0415 - the fixture's class, for a second store

    await finished(writer, 6)
    back_up(writer.database, tmp_path / "backup", keys_at_hand, quiet)
    target = Database(tmp_path / "restored")
    restore(tmp_path / "backup", target, quiet)
    again = Writer(target)
    again.start()
    try:
        removal = SqliteJobRemoval(again, at(again)[0].path_of, CHAIN)
        assert (await removal.compact_log(RetentionPolicy(FAR, 4), now=0)).jobs == 2
        assert len(left(again)) == 4
        floor, past = state(again)
        assert (floor, past) == (18 + backup.LOST_REVISIONS, 2)
        assert (await removal.compact_log(RetentionPolicy(0, 0), now=FAR)).jobs == 4
    finally:
        await again.close()


async def test_a_job_that_is_removed_while_it_is_copied_is_left_out(
    writer: HeldWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a job and its image go after the database was copied, it is not in the backup, and the rest is."""
    images, _ = at(writer)
    gone = await stored(writer, images, os.urandom(INLINE_BYTES + 1), 1)
    kept = await stored(writer, images, os.urandom(INLINE_BYTES + 1), 2)
    real = backup.copy_images

    def remove_first(*arguments: Any) -> list[str]:
        remove(writer, gone)
        images.path_of(gone.image.digest).unlink()
        return real(*arguments)

    monkeypatch.setattr(backup, "copy_images", remove_first)
    assert back_up(writer.database, tmp_path / "backup", keys_at_hand, quiet).jobs == 1
    copy = Database(tmp_path / "backup")
    assert one(copy, "SELECT id FROM job") == (kept.id,)
    assert one(copy, "SELECT past_jobs FROM retention") == (1,)
    report = audit(copy, KEYS, quiet)
    assert (report.verdict, report.receipts) == ("WHOLE", 2)  # what was left out is an entry of the copy's chain


@pytest.mark.parametrize("ended", [False, True])
async def test_a_job_whose_image_is_missing_is_never_left_out(
    writer: HeldWriter, tmp_path: Path, *, ended: bool
) -> None:
    """A file that is missing though its job is there makes the backup fail, and leaves none behind; once the server
    knows of it, the job is copied without it.
    """
    images, _ = at(writer)
    if ended:
        job = await stored(writer, images, os.urandom(INLINE_BYTES + 1), 1)
    else:
        job = new_job(1, image=await images.put(os.urandom(INLINE_BYTES + 1)))
        await create(writer, [job])
    images.path_of(job.image.digest).unlink()
    with pytest.raises(BackupError, match="is missing"):
        back_up(writer.database, tmp_path / "backup", keys_at_hand, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    await DamagedBlobs(writer, writer.database, images).examine(job.image.digest)
    assert back_up(writer.database, tmp_path / "backup", keys_at_hand, quiet).jobs == 1
    assert restore(tmp_path / "backup", Database(tmp_path / "restored"), quiet).jobs == 1


async def test_an_image_that_is_put_aside_while_it_is_copied(
    writer: HeldWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is missing in the backup, too, and its job is there."""
    images, _ = at(writer)
    job = await stored(writer, images, os.urandom(INLINE_BYTES + 1), 1)
    real = backup.copy_images

    def put_aside(*arguments: Any) -> list[str]:
        images.path_of(job.image.digest).unlink()
        with closing(sqlite3.connect(writer.database.path)) as connection, connection:
            connection.execute("INSERT INTO lost_image SELECT seq, 1 FROM image")
        return real(*arguments)

    monkeypatch.setattr(backup, "copy_images", put_aside)
    assert back_up(writer.database, tmp_path / "backup", keys_at_hand, quiet).jobs == 1
    monkeypatch.undo()
    assert restore(tmp_path / "backup", Database(tmp_path / "restored"), quiet).jobs == 1


async def test_a_small_image_is_checked_too(writer: HeldWriter, tmp_path: Path) -> None:
    """Its bytes lie in the database: where they are not those of its digest, there is no backup."""
    await finished(writer, 2)
    with closing(sqlite3.connect(writer.database.path)) as connection, connection:
        connection.execute("UPDATE image SET data = x'ff' WHERE seq = 1")
    with pytest.raises(BackupError, match="damaged"):
        back_up(writer.database, tmp_path / "backup", keys_at_hand, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


async def test_a_backup_that_is_overtaken_is_begun_anew(
    writer: HeldWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an unfinished job ends and is removed while it is copied, the next try has the state of then."""
    images, _ = at(writer)
    image = await images.put(os.urandom(INLINE_BYTES + 1))
    job = new_job(1, image=image)
    await create(writer, [job])
    real, tries = backup.copy_images, []

    def overtaken_once(*arguments: Any) -> list[str]:
        tries.append(1)
        if len(tries) == 1:
            remove(writer, job)
            images.path_of(image.digest).unlink()
        return real(*arguments)

    monkeypatch.setattr(backup, "copy_images", overtaken_once)
    assert back_up(writer.database, tmp_path / "backup", keys_at_hand, quiet).jobs == 0
    assert len(tries) == 2


async def test_a_damaged_image_is_not_taken_for_one(writer: HeldWriter, tmp_path: Path) -> None:
    """A file whose content is not that of its name makes a backup fail, and a restoration; neither leaves anything."""
    images, _ = at(writer)
    job = await stored(writer, images, os.urandom(INLINE_BYTES + 1), 1)
    back_up(writer.database, tmp_path / "backup", keys_at_hand, quiet)
    file = images.path_of(job.image.digest)
    for damaged in (file, tmp_path / "backup" / "images" / file.relative_to(writer.database.images)):
        damaged.write_bytes(b"other")
    with pytest.raises(BackupError, match="damaged"):
        back_up(writer.database, tmp_path / "second", keys_at_hand, quiet)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackupError, match="damaged"):
        restore(tmp_path / "backup", Database(tmp_path / "empty"), quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data", "empty"]
    assert list((tmp_path / "empty").iterdir()) == []


async def test_a_job_whose_image_was_lost_before(writer: HeldWriter, tmp_path: Path) -> None:
    """An image that was found damaged, and put aside, is missing in the backup as in the server; its job is there."""
    images, _ = at(writer)
    job = await stored(writer, images, os.urandom(INLINE_BYTES + 1), 1)
    images.path_of(job.image.digest).write_bytes(b"other")
    assert await DamagedBlobs(writer, writer.database, images).examine(job.image.digest)
    assert back_up(writer.database, tmp_path / "backup", keys_at_hand, quiet).image_files == 0
    assert restore(tmp_path / "backup", Database(tmp_path / "restored"), quiet).jobs == 1
    assert one(Database(tmp_path / "restored"), "SELECT id FROM job") == (job.id,)


def test_a_folder_of_an_older_release_is_backed_up_as_a_new_one(tmp_path: Path) -> None:
    """The copy has the newest schema and all rows; the folder itself is not touched."""
    (tmp_path / "old").mkdir()
    database = released(tmp_path / "old", "0001")
    inline = "(SELECT digest FROM image WHERE data IS NOT NULL LIMIT 1)"
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute(f"UPDATE job SET image_digest = {inline} WHERE image_digest LIKE '%bbbb'")
        connection.execute("DELETE FROM image WHERE data IS NULL")
        connection.execute("DROP TRIGGER job_terminal_is_final")
        for digest, data in connection.execute("SELECT digest, data FROM image").fetchall():
            real = f"sha256:{hashlib.sha256(data).hexdigest()}"
            connection.execute("UPDATE image SET digest = ? WHERE digest = ?", (real, digest))
            connection.execute("UPDATE job SET image_digest = ? WHERE image_digest = ?", (real, digest))
    before = rows(database)
    back_up(database, tmp_path / "backup", keys_at_hand, quiet)
    assert version_of(tmp_path / "old") == 1
    assert version_of(tmp_path / "backup") == migrations()[-1][0]
    assert rows(Database(tmp_path / "backup")) == before == rows(database)


def test_a_newer_backup_is_refused(tmp_path: Path) -> None:
    """A backup of a newer release is not restored, and says what to do."""
    Database(tmp_path / "backup").prepare()
    with closing(sqlite3.connect(tmp_path / "backup" / "runward.db")) as connection:
        connection.execute(f"PRAGMA user_version = {migrations()[-1][0] + 1}")
    with pytest.raises(SchemaError, match="Use a newer release"):
        restore(tmp_path / "backup", Database(tmp_path / "restored"), quiet)
    assert not (tmp_path / "restored").exists()
