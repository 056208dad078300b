"""An event loop in a thread of its own, for code that does not use asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from runward.errors import RunwardError

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")


class BackgroundLoop:
    """Runs coroutines for other threads, any number at a time. The thread starts at once and ends in `close`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_report)
        self._lock = threading.Lock()
        self._closed = False
        # A daemon, so that a program which forgot to close still ends.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run the coroutine in the loop and wait for its outcome. Interrupting the wait (Ctrl-C) cancels the coroutine.

        Raises:
            RunwardError: the loop is closed, or was closed meanwhile.
        """
        with self._lock:  # so that nothing is handed over after close() has looked
            if self._closed:
                work.close()
                raise RunwardError("this client is closed", reason="CLOSED")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RunwardError("this client was closed during the call", reason="CLOSED") from None
        except BaseException:
            future.cancel()
            raise

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run a last coroutine, cancel whatever else runs, and end the thread. Closing twice does no harm."""
        with self._lock:
            if self._closed:
                last.close()
                return
            self._closed = True
            future = asyncio.run_coroutine_threadsafe(last, self._loop)
        try:
            future.result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(_cancel_others())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report what no caller could be told of, except for gRPC's noise between several event loops.

    All event loops of a process share one gRPC queue. A loop that is woken for another's event finds nothing to read
    (BlockingIOError), or hands the event to a loop that is closed (RuntimeError). Neither loses anything.
    """
    if "PollerCompletionQueue" in str(context.get("handle")) and isinstance(
        context.get("exception"), (BlockingIOError, RuntimeError)
    ):
        return
    loop.default_exception_handler(context)
