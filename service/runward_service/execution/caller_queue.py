"""A queue in which callers take turns: who waits with a thousand calls does not hold up who waits with one."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_service.domain.caller import Caller

T = TypeVar("T")


class CallerQueue(Generic[T]):
    """Items of several callers, each caller's in the order in which they came."""

    def __init__(self) -> None:
        """Start with none."""
        self._turns: OrderedDict[Caller, deque[T]] = OrderedDict()
        self._count = 0

    def append(self, caller: Caller, item: T) -> None:
        """Add a caller's next item."""
        items = self._turns.get(caller)
        if items is None:
            items = self._turns[caller] = deque()
        items.append(item)
        self._count += 1

    def popleft(self) -> T:
        """Take the first item of the caller whose turn it is. Raises StopIteration when there is none."""
        caller = next(iter(self._turns))
        items = self._turns[caller]
        self._count -= 1
        item = items.popleft()
        if items:
            self._turns.move_to_end(caller)
        else:
            del self._turns[caller]
        return item

    def discard(self, caller: Caller, item: T) -> None:
        """Remove an item where it is still there."""
        items = self._turns.get(caller, ())
        if item in items:
            self._turns[caller].remove(item)
            self._count -= 1
            if not items:
                del self._turns[caller]

    def __len__(self) -> int:
        """How many items wait."""
        return self._count

    def __iter__(self) -> Iterator[T]:
        """All items, caller by caller."""
        return (item for items in self._turns.values() for item in items)
