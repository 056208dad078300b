"""The SQLite database: where it lies, how connections are made, how its schema is brought up to date."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MIGRATION = re.compile(r"(\d{4})_[a-z_]+\.sql\Z")
BUSY_TIMEOUT_MS = 10_000
BUSY_PAUSE_SECONDS = 0.01
LOG_BYTES = 16 * 1024 * 1024
"""After so much, the write-ahead log is brought into the database, beside the commits: a page that is written again and
again meanwhile, of the images' digests for one, is brought there once.
"""
LONGEST_LOG_BYTES = 40 * 1024 * 1024
"""How long the log gets before a commit brings the rest there, so that it can begin anew, and what it is cut down to
then.
"""
ROOMY_BYTES = 1024 * 1024 * 1024
"""With less free on the disk, the log is not made longer than it has to be."""
PAGE_BYTES = 4096
"""Of the database: migrations/0009_erasable_images.sql keeps images out of the b-tree pages of this size."""
ZEROS = 1024 * 1024
CACHE_KIBIBYTES = 8192
"""A full store fills it, so that it counts in the service's memory; the system caches the file besides."""
OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables came with it."""


class SchemaError(Exception):
    """The database cannot be used by this release; the message tells why and what to do."""


@dataclass(frozen=True, slots=True)
class Database:
    """The data folder: the database file, the large images, unfinished uploads, the owners' lock files."""

    folder: Path

    @property
    def path(self) -> Path:
        """The database file."""
        return self.folder / "runward.db"

    @property
    def images(self) -> Path:
        """The folder of large images."""
        return self.folder / "images"

    @property
    def uploads(self) -> Path:
        """The folder of unfinished uploads."""
        return self.folder / "uploads"

    @property
    def owners(self) -> Path:
        """The folder of the owners' lock files."""
        return self.folder / "owners"

    def prepare(self) -> None:
        """Make the folders and bring the schema up to date.

        Raises SchemaError when a newer release wrote the database or its pages have another size, OSError when the
        folder cannot be written.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise SchemaError(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed.")
        for folder in (self.folder, self.images, self.uploads, self.owners):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            connection = self.connect()
            try:
                migrate(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise SchemaError(f"{self.path} cannot be used as a database: {error}.") from error

    def connect(self) -> sqlite3.Connection:
        """A connection for writing: transactions begin and end where the code says, commits survive power loss."""
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new database
        use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted is overwritten, wherever SQLite moved it before: DeleteJob promises that nothing is left.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA journal_size_limit = {LONGEST_LOG_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_LOG_BYTES // PAGE_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
        return connection

    @property
    def log(self) -> Path:
        """The write-ahead log."""
        return self.path.with_name(f"{self.path.name}-wal")

    def lengthen_log(self) -> None:
        """Give the log its full length at once, in zeros, which SQLite takes for no frames. The write lock is held.

        A commit that makes the file longer waits for the file system's journal too: it takes twice as long. Where the
        disk has little room, or none after all, the log stays as it is.
        """
        free = os.statvfs(self.folder)
        if free.f_bavail * free.f_frsize < ROOMY_BYTES:
            return
        with suppress(OSError), self.log.open("r+b") as log:
            place = log.seek(0, os.SEEK_END)
            while place < LONGEST_LOG_BYTES:
                place += log.write(bytes(min(ZEROS, LONGEST_LOG_BYTES - place)))
            log.flush()
            os.fdatasync(log.fileno())

    def check_newest(self) -> None:
        """Raises SchemaError unless the schema is this release's own; a start of its server makes an older one so."""
        with closing(sqlite3.connect(self.path)) as connection:
            if (version := check_schema(connection)) != (newest := migrations()[-1][0]):
                raise SchemaError(
                    f"The data folder has schema {version}, not {newest}. Start this release's server once."
                )

    def compact(self) -> None:
        """Write the database's file anew, without unused pages. Raises SchemaError where another process uses it."""
        with closing(self.connect()) as connection:
            try:
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.OperationalError as error:
                raise SchemaError(f"{self.path} cannot be written anew: {error}.") from error


def use_wal(connection: sqlite3.Connection) -> None:
    """Switch a database to write-ahead logging. Raises sqlite3.Error.

    Where two processes switch a new database at once, SQLite refuses one of them without a look at the busy timeout, so
    that neither waits for the other for ever.
    """
    end = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                raise
            time.sleep(BUSY_PAUSE_SECONDS)
        else:
            return


def migrations() -> list[tuple[int, str]]:
    """The migrations, by number."""
    folder = resources.files("runward_service.store").joinpath("migrations")
    found = [(MIGRATION.match(entry.name), entry) for entry in folder.iterdir()]
    return sorted((int(match[1]), entry.read_text(encoding="utf-8")) for match, entry in found if match)


def check_schema(connection: sqlite3.Connection) -> int:
    """The schema's number, 0 for an empty database. Raises SchemaError when it is newer than this release."""
    version, newest = int(connection.execute("PRAGMA user_version").fetchone()[0]), migrations()[-1][0]
    if version > newest:
        raise SchemaError(
            f"The data folder has schema {version}, this release knows up to {newest}. Use a newer release."
        )
    return version


def check_pages(connection: sqlite3.Connection) -> None:
    """Raises SchemaError unless the database's pages have the size that erasing an image builds on."""
    if (found := connection.execute("PRAGMA page_size").fetchone()[0]) != PAGE_BYTES:
        change = f"PRAGMA journal_mode = DELETE; PRAGMA page_size = {PAGE_BYTES}; VACUUM;"
        message = f"The database has pages of {found} bytes, not {PAGE_BYTES}."
        raise SchemaError(f"{message} SQLite's shell changes that: sqlite3 runward.db '{change}'")


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations that the database lacks, each whole or not at all, under the write lock.

    Raises SchemaError when the database is newer than this release, has pages of another size, or is damaged.
    """
    known = migrations()
    # A migration may make a table anew; with foreign keys on, dropping the old one would delete what refers to it.
    connection.execute("PRAGMA foreign_keys = OFF")
    # Two processes may start on one new folder: the version is read again under the lock.
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = check_schema(connection)
        check_pages(connection)
        for number, script in known:
            if number > version:
                for statement in split_script(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
        if version < known[-1][0] and (broken := connection.execute("PRAGMA foreign_key_check").fetchone()):
            raise SchemaError(f"The data folder is damaged: {broken[0]} refers to {broken[2]} rows that are not there.")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


def split_script(script: str) -> list[str]:
    """The statements of a script, one by one: sqlite3's executescript would commit before it starts."""
    found: list[str] = []
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found
