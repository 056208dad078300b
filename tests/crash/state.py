"""What a killed process left, as a digest: two cases that left the same have the same start after them.

Most kills leave what their neighbours left: whatever happens within one transaction leaves what was before it. The
start that follows is judged once for each state. Ids, times and durations, which differ from run to run, are left out.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.crash.world import World

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TEMPORARY = re.compile(r"\.new-[\w-]+")
VARYING = {"pid", "total_duration", "last_duration", "bucket", "key_id", "receipt", "receipt_marks", "mac"}
SMALLEST_TIME_US = 10**15


def digest_of(world: World) -> str:
    """The state's digest."""
    names: dict[str, str] = {}
    text = "\n".join([*database_lines(world), *file_lines(world.data), *told_lines(world)])
    text = UUID.sub(lambda match: names.setdefault(match[0], f"id {len(names)}"), text)
    return hashlib.sha256(text.encode()).hexdigest()


def database_lines(world: World) -> Iterator[str]:
    """The rows of every table, from a copy: a look at the database itself would tidy it up."""
    if not world.database.exists():
        return
    copy = world.folder / "copy"
    copy.mkdir()
    for path in world.data.glob("runward.db*"):
        shutil.copy(path, copy)
    with closing(sqlite3.connect(copy / world.database.name)) as connection:
        yield str(connection.execute("PRAGMA user_version").fetchone())
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
        for (table,) in tables:
            cursor = connection.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in cursor.description]
            yield from (f"{table} {[plain(*cell) for cell in zip(columns, row, strict=True)]}" for row in cursor)
    shutil.rmtree(copy)


def plain(column: str, value: Any) -> Any:
    """A value, without what differs from run to run."""
    if column in VARYING or (isinstance(value, int) and value >= SMALLEST_TIME_US):
        return ...
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value


def file_lines(data: Path) -> Iterator[str]:
    """The files beside the database."""
    for path in sorted(data.rglob("*")):
        if path.is_file() and path.parent != data:
            yield TEMPORARY.sub(".new", f"{path.relative_to(data)} {path.stat().st_size}")


def told_lines(world: World) -> Iterator[str]:
    """What callers were told, and the runs that were begun."""
    for told in world.acknowledgements():
        yield f"told {told.name} {told.job_id} {told.status} {told.reason}"
    yield f"erased {world.erased()}"
    for job_id, attempt in world.runs():
        yield f"ran {job_id} {attempt}"
