"""Celery on Redis, set so that a job of a worker that dies is not lost; results are stored in Redis, too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import redis_server
from celery import Celery
from peer import WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

SOCKET = f"redis+socket://{redis_server.socket()}?virtual_host="
RESULTS = 1
"""The database that has nothing but a result for each job that ended."""
app = Celery("celery_jobs", broker=f"{SOCKET}0", backend=f"{SOCKET}{RESULTS}")
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)
CLIENT = redis_server.client(RESULTS)


@app.task
def noop() -> None:
    """Do nothing."""


def commands() -> Iterator[list[str]]:
    """Give the commands of the broker and of the workers."""
    worker = [sys.executable, "-m", "celery", "-A", "celery_jobs", "worker", "--concurrency", str(WORKERS)]
    yield redis_server.command()
    redis_server.wait()
    yield [*worker, "--loglevel", "WARNING"]


def enqueue() -> None:
    """Store a job."""
    noop.delay()


def unfinished(submitted: int) -> int:
    """Tell how many jobs have no stored result."""
    return submitted - int(CLIENT.dbsize())
