"""The client for programs that use asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward.connection import Connection
from runward.digests import KnownDigests
from runward.errors import RunwardError
from runward.job_calls import JobCalls
from runward.job_log_calls import JobLogCalls
from runward.plugin_calls import PluginCalls
from runward.retry import RetryPolicy
from runward.server_calls import ServerCalls

if TYPE_CHECKING:
    from types import TracebackType

DEFAULT_TARGET = "localhost:50051"
"""Where a server listens unless it is told otherwise."""

DEFAULT_DEADLINE = 30.0
"""Seconds for calls that are answered at once."""


class Client(JobCalls, JobLogCalls, PluginCalls, ServerCalls):
    """A client of one Runward server, made by `connect` and open inside its `async with`.

    One client serves any number of concurrent calls; they share one connection. Use it in one event loop only.
    """

    def __init__(self, target: str, *, deadline: float | None, retry: RetryPolicy) -> None:
        self.target = target
        self._deadline = deadline
        self._retry = retry
        self._known = KnownDigests()
        self._bringing = {}

    async def __aenter__(self) -> Client:
        if self._opened is not None:
            raise RunwardError("this client was opened before: make another with runward.connect(...)")
        self._opened = Connection(self.target, self._retry, self._deadline)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection: calls in flight, and later ones, raise TransportError (CLOSED). Twice does no harm."""
        if self._opened is not None:
            await self._opened.close()


def connect(
    target: str = DEFAULT_TARGET,
    *,
    deadline: float | None = DEFAULT_DEADLINE,
    retry: RetryPolicy | None = None,
) -> Client:
    """Make a client: `async with runward.connect("localhost:50051") as rw: ...`. The first call connects.

    Args:
        target: the server's "host:port", or any gRPC target.
        deadline: seconds for each call that is answered at once; None: no limit. analyze, submit, upload, download,
            watch, result and verify take as long as they need unless they are given a deadline of their own.
        retry: how often calls that ended UNAVAILABLE are made again; see Connection for which are.
    """
    return Client(target, deadline=deadline, retry=retry or RetryPolicy())
