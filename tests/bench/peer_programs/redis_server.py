"""A Redis that answers a write once it is on the disk, on a socket in the peer's folder."""

from __future__ import annotations

import redis
from peer import folder
from redis.backoff import ConstantBackoff
from redis.retry import Retry

SETTINGS = ("--port", "0", "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--loglevel", "warning")
TRIES = 100
PAUSE_SECONDS = 0.1


def socket() -> str:
    """Give the path of the socket."""
    return str(folder() / "redis.sock")


def command() -> list[str]:
    """Give the command that runs it."""
    return ["redis-server", *SETTINGS, "--dir", str(folder()), "--unixsocket", socket()]


def client(number: int = 0) -> redis.Redis:
    """Connect to one of its databases."""
    return redis.Redis(unix_socket_path=socket(), db=number)


def wait() -> None:
    """Wait until it answers."""
    retry = Retry(ConstantBackoff(PAUSE_SECONDS), TRIES)
    redis.Redis(unix_socket_path=socket(), retry=retry).ping()
