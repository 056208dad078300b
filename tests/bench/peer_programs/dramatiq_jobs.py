"""dramatiq on Redis. A message is removed once its job has ended; a result is not stored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import dramatiq
import redis_server
from dramatiq.brokers.redis import RedisBroker
from peer import WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

broker = RedisBroker(url=f"unix://{redis_server.socket()}")
dramatiq.set_broker(broker)
MESSAGES = "dramatiq:default.msgs"
CLIENT = redis_server.client()


@dramatiq.actor
def noop() -> None:
    """Do nothing."""


def commands() -> Iterator[list[str]]:
    """Give the commands of the broker and of the workers."""
    workers = [sys.executable, "-m", "dramatiq", "dramatiq_jobs", "--processes", str(WORKERS)]
    yield redis_server.command()
    redis_server.wait()
    yield workers


def enqueue() -> None:
    """Store a job."""
    noop.send()


def unfinished(_submitted: int) -> int:
    """Tell how many messages are left."""
    return int(CLIENT.hlen(MESSAGES))
