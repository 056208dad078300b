"""The write-ahead log stays small, whoever reads meanwhile, and can be emptied."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.image import StoredImage
from runward_service.store.checkpointer import Checkpointer
from runward_service.store.database import LONGEST_LOG_BYTES, Database
from runward_service.store.job_reader import JobQuery, SqliteJobReader
from tests.harness.service import refusal
from tests.store.jobs import new_job
from tests.store.removals import create, finish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.held_writer import HeldWriter

IMAGE_BYTES = 100_000


async def write(writer: HeldWriter, first: int, count: int) -> None:
    """Store and finish jobs with an image each that is in the database."""
    images = [StoredImage(f"sha256:{number:064}", IMAGE_BYTES, os.urandom(IMAGE_BYTES)) for number in range(count)]
    jobs = [new_job(first + number, image=image) for number, image in enumerate(images)]
    await create(writer, jobs)
    await finish(writer, jobs)


async def test_the_log_stays_small_while_it_is_read(writer: HeldWriter) -> None:
    """120 megabytes of jobs are written while others read all the time: the log never grows past its bound."""
    reader = SqliteJobReader(writer.database)
    checkpointer = Checkpointer(writer.database)
    await reader.open()
    done = asyncio.Event()

    async def read() -> int:
        reads = 0
        while not done.is_set():
            page = await reader.list_jobs(JobQuery("default"), 50)
            reads += len(page.jobs)
        return reads

    reading = asyncio.gather(*(read() for _ in range(3)))
    peak = 0
    for turn in range(60):
        await write(writer, 1000 * turn, 20)
        peak = max(peak, checkpointer.log_bytes)
    done.set()
    assert sum(await reading) > 0
    await reader.close()
    assert 0 < peak <= LONGEST_LOG_BYTES


async def test_one_emptying_serves_all_who_ask(writer: HeldWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who ask while the log is being emptied share the next turn, which begins after they asked."""
    checkpointer = Checkpointer(writer.database)
    calls = 0
    real = checkpointer._empty

    def counted(patience_seconds: float) -> bool:
        nonlocal calls
        calls += 1
        return real(patience_seconds)

    monkeypatch.setattr(checkpointer, "_empty", counted)
    await write(writer, 0, 3)
    assert checkpointer.log_bytes > 3 * IMAGE_BYTES
    await asyncio.gather(*(checkpointer.empty_log() for _ in range(20)))
    assert checkpointer.log_bytes == 0
    assert 1 <= calls <= 2


async def test_a_reader_of_an_older_state_is_not_waited_for_without_end(writer: HeldWriter) -> None:
    """While one reads what was before, the log cannot be emptied: that is said, writers go on, and later it can."""
    checkpointer = Checkpointer(writer.database)
    await write(writer, 0, 1)
    reader = writer.database.connect()
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM job").fetchone()
        await write(writer, 1, 1)
        with pytest.raises(GovernedError) as caught:
            await checkpointer.empty_log(0.2)
        assert caught.value.reason is ErrorReason.STORE_UNAVAILABLE
        await write(writer, 2, 1)
    finally:
        reader.close()
    await checkpointer.empty_log()
    assert checkpointer.log_bytes == 0
    assert writer.rows("SELECT count(*) FROM job") == [(3,)]


async def test_a_log_that_cannot_be_emptied_is_a_refusal(tmp_path: Path) -> None:
    """Whatever the database says to a checkpoint comes as STORE_UNAVAILABLE, which whoever asked can deal with."""
    (tmp_path / "runward.db").write_bytes(b"this is no database" * 100)
    error = await refusal(Checkpointer(Database(tmp_path)).empty_log())
    assert error.reason is ErrorReason.STORE_UNAVAILABLE


async def test_a_lengthened_log_holds_what_is_written(writer: HeldWriter) -> None:
    """Given its full length, with what is committed in it, the log keeps that, takes what comes, and grows no further;
    who opens the database anew after the process was killed finds all of it.
    """
    checkpointer = Checkpointer(writer.database)
    await write(writer, 0, 3)
    await writer.submit(lambda _: writer.database.lengthen_log())
    assert checkpointer.log_bytes == LONGEST_LOG_BYTES
    await write(writer, 10, 3)
    assert checkpointer.log_bytes == LONGEST_LOG_BYTES
    copy = writer.database.folder / "copy"
    copy.mkdir()
    for file in (writer.database.path, writer.database.log):
        shutil.copy(file, copy / file.name)
    with closing(sqlite3.connect(copy / writer.database.path.name)) as alone:
        assert alone.execute("SELECT count(*) FROM job").fetchone() == (6,)
        assert alone.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_full_disk_keeps_its_room(writer: HeldWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where little is free, the log is as long as it has to be."""
    monkeypatch.setattr("runward_service.store.database.ROOMY_BYTES", 1 << 62)
    await write(writer, 0, 3)
    before = Checkpointer(writer.database).log_bytes
    await writer.submit(lambda _: writer.database.lengthen_log())
    assert Checkpointer(writer.database).log_bytes == before
