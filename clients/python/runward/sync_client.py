"""The client for programs that do not use asyncio: the same code, driven by an event loop in a background thread."""

from __future__ import annotations

import asyncio
import functools
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from runward.background_loop import BackgroundLoop
from runward.client import DEFAULT_DEADLINE, DEFAULT_TARGET, Client, connect
from runward.errors import RunwardError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
    from types import TracebackType

    from runward.retry import RetryPolicy

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _blocking(
    method: Callable[Concatenate[Client, _P], Coroutine[Any, Any, _R]],
) -> Callable[Concatenate[SyncClient, _P], _R]:
    """Make a method that runs the async client's and waits for it."""

    @functools.wraps(method)
    def call(self: SyncClient, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        client, loop = self._open()
        return loop.run(method(client, *args, **kwargs))

    return call


def _iterating(
    method: Callable[Concatenate[Client, _P], AsyncGenerator[_R, None]],
) -> Callable[Concatenate[SyncClient, _P], Generator[_R, None, None]]:
    """Make a method whose iterator takes each item from the async client's; closing it closes that one."""

    @functools.wraps(method)
    def call(self: SyncClient, /, *args: _P.args, **kwargs: _P.kwargs) -> Generator[_R, None, None]:
        client, loop = self._open()
        items = _Items(method(client, *args, **kwargs))
        try:
            while True:
                try:
                    yield loop.run(items.next())
                except _EndError:
                    return
        finally:
            with suppress(RunwardError):  # closing the client has closed it already
                loop.run(items.close())

    return call


class _EndError(Exception):
    """An async iterator's end; StopAsyncIteration itself may not be raised into a generator."""


class _Items(Generic[_R]):
    """An async iterator that is closed only once it has stopped: Ctrl-C leaves `next` while the loop works on it."""

    def __init__(self, items: AsyncGenerator[_R, None]) -> None:
        self._items = items
        self._lock = asyncio.Lock()

    async def next(self) -> _R:
        async with self._lock:
            try:
                return await anext(self._items)
            except StopAsyncIteration:
                raise _EndError from None

    async def close(self) -> None:
        async with self._lock:
            await self._items.aclose()


class SyncClient:
    """A client of one Runward server, made by `connect_sync` and open inside its `with`; any thread may use it.

    Methods, arguments and exceptions are those of Client; watch, watch_jobs and list give ordinary iterators. Do not
    call it from within an event loop, which it would block. In a process that also uses grpc.aio in another event loop,
    grpcio logs harmless BlockingIOErrors there; use the async client in such a process.
    """

    def __init__(self, client: Client) -> None:
        self.target = client.target
        self._client = client
        self._loop: BackgroundLoop | None = None

    def __enter__(self) -> SyncClient:
        if self._loop is not None:
            raise RunwardError("this client was opened before: make another with runward.connect_sync(...)")
        self._loop = BackgroundLoop(f"runward-{self.target}")
        try:
            self._loop.run(self._client.__aenter__())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end the thread. Calls in flight in other threads raise RunwardError (CLOSED)."""
        if self._loop is not None:
            self._loop.close(self._client.close())

    def _open(self) -> tuple[Client, BackgroundLoop]:
        if self._loop is None:
            raise RunwardError("this client is not open: use it in `with runward.connect_sync(...) as rw:`")
        return self._client, self._loop

    analyze = _blocking(Client.analyze)
    submit = _blocking(Client.submit)
    submit_many = _blocking(Client.submit_many)
    get = _blocking(Client.get)
    cancel = _blocking(Client.cancel)
    retry = _blocking(Client.retry)
    delete = _blocking(Client.delete)
    result = _blocking(Client.result)
    upload = _blocking(Client.upload)
    missing = _blocking(Client.missing)
    download = _blocking(Client.download)
    artifact = _blocking(Client.artifact)
    save_artifacts = _blocking(Client.save_artifacts)
    watch = _iterating(Client.watch)
    watch_jobs = _iterating(Client.watch_jobs)
    snapshot = _blocking(Client.snapshot)
    list = _iterating(Client.list)
    plugins = _blocking(Client.plugins)
    plugin = _blocking(Client.plugin)
    enable = _blocking(Client.enable)
    disable = _blocking(Client.disable)
    reload = _blocking(Client.reload)
    server_info = _blocking(Client.server_info)
    health = _blocking(Client.health)
    governance_report = _blocking(Client.governance_report)
    verify = _blocking(Client.verify)


def connect_sync(
    target: str = DEFAULT_TARGET,
    *,
    deadline: float | None = DEFAULT_DEADLINE,
    retry: RetryPolicy | None = None,
) -> SyncClient:
    """Make a client for code without asyncio: `with runward.connect_sync("localhost:50051") as rw: ...`.

    Arguments as in connect.
    """
    return SyncClient(connect(target, deadline=deadline, retry=retry))
