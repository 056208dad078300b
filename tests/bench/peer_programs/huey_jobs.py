"""huey on SQLite: WAL, and each write synced; results are stored, so that it is known what has ended."""

from __future__ import annotations

import sys

from huey import SqliteHuey
from peer import WORKERS, folder

huey = SqliteHuey(filename=str(folder() / "huey.db"), fsync=True)
CONSUMER = ("--workers", str(WORKERS), "--worker-type", "process", "--quiet")
POLLING = ("--delay", "0.01", "--max-delay", "0.05")
"""By default a worker that found nothing looks again after up to ten seconds, which would count."""


@huey.task()
def noop() -> bool:
    """Do nothing."""
    return True


def commands() -> list[list[str]]:
    """Give the command of the workers."""
    return [[sys.executable, "-m", "huey.bin.huey_consumer", "huey_jobs.huey", *CONSUMER, *POLLING]]


def enqueue() -> None:
    """Store a job."""
    noop()


def unfinished(submitted: int) -> int:
    """Tell how many jobs have no stored result."""
    return submitted - int(huey.result_count())
