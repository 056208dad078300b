"""The invariants notice what breaks them: each is broken by hand in a store where all hold."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from runward_service.governance.receipt_key_file import load
from tests.crash.invariants import broken_invariants
from tests.crash.scene import LARGE_IMAGE
from tests.harness.service import analyze, ended, running_service, submit

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVENT = "INSERT INTO job_event (job_seq, status, attempt, time, progress_message) VALUES"
DAMAGES = {
    "is RUNNING": ("UPDATE job SET status = 2, end_time = 0, result = NULL WHERE seq = 1",),
    "more than one end": (f"{EVENT} (1, 3, 1, 1, '')",),
    "it does not begin PENDING": ("DELETE FROM job_event WHERE job_seq = 1 AND status = 1",),
    "the row says": ("UPDATE job SET attempt = 2 WHERE seq = 1",),
    "from (1, 0) to (2, 3)": ("UPDATE job_event SET attempt = 3 WHERE status IN (2, 3) AND job_seq = 4",),
    "from (1, 0) to (3, 1)": ("DELETE FROM job_event WHERE job_seq = 1 AND status = 2",),
    "the counters of fails": ("UPDATE plugin_counter SET error_count = 5 WHERE plugin = 'fails'",),
    "durations": ("UPDATE plugin_counter SET run_count = run_count - 1 WHERE plugin = 'noop'",),
    "has other bytes": ("UPDATE image SET data = zeroblob(size_bytes) WHERE data IS NOT NULL",),
    "events belong to no job": ("DELETE FROM job WHERE seq = 1",),
    "foreign_key_check": ("DELETE FROM image",),
    "the kept output of job 5 is another": ("UPDATE kept_result SET size_bytes = 1",),
    "an output is kept of job 3": ("UPDATE kept_result SET job_seq = 3",),
    "audit: JOB_EDITED": ("UPDATE job SET end_time = 7 WHERE seq = 1",),
    "audit: JOB_REMOVED": ("DELETE FROM job WHERE seq = 1",),
    "audit: ENTRIES_MISSING": ("DELETE FROM receipt_chain WHERE seq = 2",),
    "attempts were lost": ("UPDATE job SET lost_attempts = 1, max_attempts = 1 WHERE seq = 1",),
}
"""What is said of a damage, and the statements that do it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a service that has ended some jobs, one of them in two attempts, and has stopped."""
    folder: Path = tmp_path_factory.mktemp("store") / "data"
    async with running_service(folder, "Noop", "Fails", "FailsOnce", "changing:Steady") as service:
        await ended(service, (await submit(service, "noop")).id)
        await analyze(service, "noop", image=LARGE_IMAGE)
        await analyze(service, "fails")
        await analyze(service, "fails_once")
        await analyze(service, "steady")
    return folder


def damaged(store: Path, folder: Path, *statements: str) -> Path:
    """A copy of the store in which statements were executed past every constraint and trigger."""
    shutil.copytree(store, folder)
    with closing(sqlite3.connect(folder / "runward.db", isolation_level=None)) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
    return folder


async def test_all_hold_of_a_store_that_is_well(store: Path) -> None:
    """Nothing is found where nothing is wrong."""
    assert broken_invariants(store, load(None)) == []


@pytest.mark.parametrize("says", DAMAGES)
async def test_a_damage_is_found(store: Path, tmp_path: Path, says: str) -> None:
    """Each damage is found and named."""
    problems = broken_invariants(damaged(store, tmp_path / "data", *DAMAGES[says]), load(None))
    assert [problem for problem in problems if re.search(re.escape(says), problem)] != []


async def test_a_missing_file_is_found(store: Path, tmp_path: Path) -> None:
    """The file of a large image that a job has."""
    folder = damaged(store, tmp_path / "data")
    (image,) = (path for path in (folder / "images").rglob("*") if path.is_file())
    image.unlink()
    assert broken_invariants(folder, load(None)) == [f"the file of sha256:{image.name} is missing"]
