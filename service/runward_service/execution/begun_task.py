"""A task that begins at once, as Python 3.12's eager tasks do: work that waits for nothing costs the loop no turn."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")


def begin(work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
    """Do work as far as it goes without waiting, and the rest in a task. Until it waits, the current task is still the
    caller's: what asks for that, such as asyncio.timeout, comes later in such work or not at all.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()
    try:
        awaited = work.send(None)
    except StopIteration as end:
        ended.set_result(end.value)
    except Exception as error:  # noqa: BLE001 - whoever waits for the work gets it
        ended.set_exception(error)
    else:
        return loop.create_task(BegunWork(work, awaited))
    return ended


class BegunWork(Coroutine[Any, Any, T]):
    """Work that waits for something already. A task begins it by asking what it waits for."""

    def __init__(self, work: Coroutine[Any, Any, T], awaited: Any) -> None:
        """Go on with work that waits for this."""
        self._work = work
        self._awaited = [awaited]

    def send(self, value: Any) -> Any:
        """What the work waits for, at first what it did when this was made. Raises StopIteration with its answer."""
        return self._awaited.pop() if self._awaited else self._work.send(value)

    def throw(self, *error: Any) -> Any:
        """Have the work hear of an error where it waits, such as its cancellation, which may come before all else."""
        self._awaited.clear()
        return self._work.throw(*error)

    def close(self) -> None:
        """End the work where it waits."""
        self._work.close()

    def __await__(self) -> Generator[Any, Any, T]:
        """Not to be awaited: a task has it."""
        raise NotImplementedError
