"""Backups: a copy of the database and of the large images that it names, consistent, made while servers go on."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward_service.store.batch import Transaction
from runward_service.store.database import Database, check_schema, migrate
from runward_service.store.images import ImageStore, sync_folder
from runward_service.store.owner_lock import living_owners
from runward_service.store.receipt_chain import ReceiptChain
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runward_service.domain.receipt_keys import ReceiptKeys

SQL = statements("backup.sql")
PAGES_A_STEP = 1024
CHUNK_BYTES = 1024 * 1024
TRIES = 5
PUT_ASIDE = "A server that is asked for it ('runward blobs download DIGEST FILE') puts it aside."
LOST_REVISIONS = 1_000_000_000
"""More than can have been given out between a backup and its restoration."""


class BackupError(Exception):
    """A backup cannot be made or restored; the message tells why and what to do."""


class OvertakenError(BackupError):
    """Jobs that were unfinished in the copy ended and were removed before their images were copied."""


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What was copied: jobs, files of large images, and bytes in all."""

    jobs: int
    image_files: int
    size_bytes: int


def back_up(
    database: Database, destination: Path, keys: Callable[[], ReceiptKeys], progress: Callable[[str, int, int], None]
) -> BackupSummary:
    """Copy a data folder's state as at one moment to a folder that does not exist or is empty.

    Servers go on meanwhile; their log grows until the database is copied. A job that is removed meanwhile together with
    its image's file is left out, which the copy's chain of receipts tells: for that ``keys`` is called. The copy is
    checked, and takes its name only when it is whole; where the servers overtake it, it is begun anew, TRIES times in
    all. ``progress`` hears what is done (such as "images"), how far, and of how much. Raises BackupError, SchemaError
    or OSError, and what ``keys`` raises.
    """
    for _ in range(TRIES - 1):
        try:
            return back_up_once(database, destination, keys, progress)
        except OvertakenError:
            continue
    return back_up_once(database, destination, keys, progress)


def back_up_once(
    database: Database, destination: Path, keys: Callable[[], ReceiptKeys], progress: Callable[[str, int, int], None]
) -> BackupSummary:
    """One try of back_up. Raises OvertakenError too."""
    if not database.path.is_file():
        raise BackupError(f"{database.folder} holds no data of a server")
    check_unused(destination)
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    target = Database(partial)
    target.images.mkdir(mode=0o700, parents=True)
    try:
        copy_database(database.path, target.path, progress)
        with closing(open_alone(target.path)) as copy:
            migrate(copy)
            gone = copy_images(copy, database.images, target.images, progress)
            leave_out(copy, removed_meanwhile(database, copy, gone), keys)
            check(copy)
            summary = summary_of(copy, target)
        sync_file(target.path)
        sync_folder(partial)
        partial.rename(destination)
        sync_folder(destination.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return summary


def restore(source: Path, database: Database, progress: Callable[[str, int, int], None]) -> BackupSummary:
    """Copy a backup to a data folder that does not exist or is empty, for a server to be started on it.

    Whoever watched the server before learns that revisions from before do not count any more: the log goes on far ahead
    of them and is marked as compacted. Raises BackupError, SchemaError or OSError; then the folder is as it was.
    """
    backup = Database(source)
    if not backup.path.is_file():
        raise BackupError(f"{source} holds no backup")
    if database.owners.is_dir() and living_owners(database.owners):
        raise BackupError(f"a server is using {database.folder}; stop it, and restore into another folder")
    check_unused(database.folder)
    existed = database.folder.is_dir()
    database.images.mkdir(mode=0o700, parents=True)
    arriving = database.path.with_name("runward.db.arriving")
    try:
        copy_database(backup.path, arriving, progress)
        with closing(open_alone(arriving)) as copy:
            migrate(copy)
            if gone := copy_images(copy, backup.images, database.images, progress):
                raise BackupError(f"{source} is damaged: {len(gone)} images are missing, such as {gone[0]}")
            skip_revisions(copy)
            check(copy)
            summary = summary_of(copy, database)
        sync_file(arriving)
        arriving.rename(database.path)
        sync_folder(database.folder)
    except BaseException:
        shutil.rmtree(database.folder)
        if existed:
            database.folder.mkdir(mode=0o700)
        raise
    return summary


def check_unused(folder: Path) -> None:
    """Raises BackupError unless a folder is empty or not there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} is not empty; nothing is overwritten, so name a new folder")


def copy_database(source: Path, target: Path, progress: Callable[[str, int, int], None]) -> None:
    """Copy a database as at one moment."""
    try:
        with (
            closing(sqlite3.connect(source, isolation_level=None)) as connection,
            closing(sqlite3.connect(target)) as copy,
        ):
            check_schema(connection)
            # Read from one state to the end: without this, every commit of a server would make SQLite begin anew.
            connection.execute("BEGIN")
            connection.execute(SQL["any"]).fetchone()
            connection.backup(
                copy,
                pages=PAGES_A_STEP,
                progress=lambda _, left, total: progress("database", total - left, total),
                sleep=0,
            )
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{source} cannot be copied: {error}") from error


def open_alone(path: Path) -> sqlite3.Connection:
    """A connection to a copy that nobody else has open, without a log beside it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def copy_images(
    copy: sqlite3.Connection, source: Path, target: Path, progress: Callable[[str, int, int], None]
) -> list[str]:
    """Copy the files that a database names, each checked against its digest; the digests of those that are gone, but
    for those that were lost before: their rows stay, as the server has them.
    """
    digests = [row[0] for row in copy.execute(SQL["image_files"])]
    gone = []
    for count, digest in enumerate(digests):
        progress("images", count, len(digests))
        path = ImageStore(target, "").path_of(digest)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            copy_checked(ImageStore(source, "").path_of(digest), path, digest)
        except FileNotFoundError:
            if copy.execute(SQL["lost_image"], (digest,)).fetchone() is None:
                gone.append(digest)
    progress("images", len(digests), len(digests))
    for folder in target.iterdir():
        sync_folder(folder)
    sync_folder(target)
    return gone


def copy_checked(source: Path, target: Path, digest: str) -> None:
    """Copy a file and put it on disk. Raises BackupError where its content is not that of the digest."""
    found = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            found.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    if f"sha256:{found.hexdigest()}" != digest:
        raise BackupError(f"{source} is damaged: its content is not that of its digest. {PUT_ASIDE}")


def removed_meanwhile(database: Database, copy: sqlite3.Connection, gone: list[str]) -> list[str]:
    """Those images of which the file is gone because their jobs are. One that a server has put aside since is marked as
    lost in the copy, too.

    Raises OvertakenError where one is there again, BackupError where the disk has lost one.
    """
    removed = []
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        for digest in gone:
            row = connection.execute(SQL["image_now"], (digest,)).fetchone()
            path = ImageStore(database.images, "").path_of(digest)
            if row is None:
                removed.append(digest)
            elif row[0]:
                copy.execute(SQL["mark_lost"], (row[0], digest))
            elif row[1] or path.exists():
                raise OvertakenError(f"{path} was removed and stored again while it was copied; make the backup again")
            else:
                raise BackupError(f"{path} is missing: jobs have it. {PUT_ASIDE}")
    return removed


def leave_out(copy: sqlite3.Connection, gone: list[str], keys: Callable[[], ReceiptKeys]) -> None:
    """Remove the jobs whose images were removed from the server while they were to be copied."""
    if not gone:
        return
    chain = ReceiptChain(keys())
    copy.execute("BEGIN")
    transaction = Transaction(copy)
    chain.begin(transaction)
    for digest in gone:
        if copy.execute(SQL["unfinished_with_image"], (digest,)).fetchone():
            raise OvertakenError("jobs ended and were removed while they were copied; make the backup again")
        removed = copy.execute(SQL["delete_jobs_with_image"], (digest,)).fetchall()
        chain.add_removal(transaction, [row[0] for row in removed])
        copy.execute(SQL["delete_image"], (digest,))
    copy.execute(SQL["delete_unused_images"])
    copy.execute(SQL["count_past_again"])
    copy.execute("COMMIT")


def skip_revisions(copy: sqlite3.Connection) -> None:
    """Go on with revisions that the lost state cannot have given out, and mark all before as compacted."""
    copy.execute(SQL["skip_revisions"], (LOST_REVISIONS,))
    copy.execute(SQL["compact_all"])


def check(copy: sqlite3.Connection) -> None:
    """Raises BackupError where a database is damaged, or an image in it."""
    problems = [row[0] for row in copy.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
    problems += [f"{row[0]} refers to missing {row[2]} rows" for row in copy.execute("PRAGMA foreign_key_check")]
    if problems:
        raise BackupError(f"the database is damaged: {'; '.join(problems[:3])}")
    for digest, data in copy.execute(SQL["small_images"]):
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise BackupError(f"the image {digest} in the database is damaged: it has other bytes. {PUT_ASIDE}")


def summary_of(copy: sqlite3.Connection, target: Database) -> BackupSummary:
    """What a copy holds."""
    sizes = [path.stat().st_size for path in target.images.rglob("*") if path.is_file()]
    jobs = copy.execute(SQL["job_count"]).fetchone()[0]
    database_bytes = copy.execute("PRAGMA page_count").fetchone()[0] * copy.execute("PRAGMA page_size").fetchone()[0]
    return BackupSummary(jobs, len(sizes), database_bytes + sum(sizes))


def sync_file(path: Path) -> None:
    """Put a file's content on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
