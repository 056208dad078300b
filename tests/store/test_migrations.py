"""The schema: made from nothing, once, whole, and never from the future."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from runward_service.store.database import Database, SchemaError, migrate, migrations, split_script

if TYPE_CHECKING:
    from pathlib import Path

PREPARE = (
    "import sys; from pathlib import Path; from runward_service.store.database import Database; sys.stdin.read(1); "
)
PREPARE += "Database(Path(sys.argv[1])).prepare()"


def version_of(folder: Path) -> int:
    """The schema's number as stored."""
    with closing(sqlite3.connect(folder / "runward.db")) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def schema_of(folder: Path) -> list[tuple[str, str]]:
    """What the database is made of."""
    with closing(sqlite3.connect(folder / "runward.db")) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


def test_from_nothing(tmp_path: Path) -> None:
    """A folder that does not exist becomes one with the newest schema, which only its owner can read."""
    folder = tmp_path / "deep" / "data"
    Database(folder).prepare()
    assert version_of(folder) == migrations()[-1][0]
    assert {name for name, _ in schema_of(folder)} >= {"job", "job_event", "image", "owner", "plugin_counter"}
    for path in (folder, folder / "images", folder / "owners"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_again(tmp_path: Path) -> None:
    """Preparing a database that is up to date changes nothing."""
    Database(tmp_path).prepare()
    before = schema_of(tmp_path)
    Database(tmp_path).prepare()
    assert schema_of(tmp_path) == before


def test_migrations_are_numbered_without_gaps() -> None:
    """From 1 on, each number once."""
    numbers = [number for number, _ in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older release does not touch a newer database, and says what to do."""
    Database(tmp_path).prepare()
    newer = migrations()[-1][0] + 1
    with closing(sqlite3.connect(tmp_path / "runward.db")) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    before = schema_of(tmp_path)
    with pytest.raises(SchemaError, match=f"has schema {newer}.*Use a newer release"):
        Database(tmp_path).prepare()
    assert schema_of(tmp_path) == before
    assert version_of(tmp_path) == newer


def test_a_migration_is_whole_or_not_at_all(tmp_path: Path) -> None:
    """One that fails half-way (a table of that name is there already) leaves no trace and can be made again."""
    tmp_path.mkdir(exist_ok=True)
    connection = Database(tmp_path).connect()
    with closing(connection):
        connection.execute("CREATE TABLE plugin_counter (foreign_thing TEXT)")
        with pytest.raises(sqlite3.OperationalError, match="plugin_counter already exists"):
            migrate(connection)
        assert connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall() == [
            ("plugin_counter",)
        ]
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        connection.execute("DROP TABLE plugin_counter")
        migrate(connection)
        assert connection.execute("PRAGMA user_version").fetchone() == (migrations()[-1][0],)


async def test_processes_that_start_at_once(tmp_path: Path) -> None:
    """Six processes that prepare one new folder in the same moment all succeed, and the schema is that of one."""
    folder = tmp_path / "data"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PREPARE, str(folder), stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"g")
    ends = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0] * 6, ends
    Database(tmp_path / "alone").prepare()
    assert schema_of(folder) == schema_of(tmp_path / "alone")


def test_a_script_is_split_at_its_statements() -> None:
    """Semicolons inside triggers, texts and comments do not split."""
    table = "CREATE TABLE a (x);\n"
    trigger = "-- one; two\nCREATE TRIGGER t AFTER INSERT ON a\nBEGIN\n  SELECT ';';\n  SELECT 2;\nEND;\n"
    assert split_script(table + trigger) == [table, trigger]
