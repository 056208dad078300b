"""QueueBounds: how much may wait, of each plugin and in all, and what is told to whom there is no room for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.execution.drain_rate import DrainRate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runward_service.domain.limits import QueueLimits


class Waiting:
    """What waits in one queue."""

    __slots__ = ("count", "image_bytes", "rate")

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with nothing."""
        self.count = 0
        self.image_bytes = 0
        self.rate = DrainRate(clock)

    def add(self, image_bytes: int) -> None:
        """One more waits."""
        if self.count == 0:
            self.rate.began()
        self.count += 1
        self.image_bytes += image_bytes

    def remove(self, image_bytes: int, *, drained: bool) -> None:
        """One less waits; ``drained`` where its turn had come. Another process may have added what is removed here."""
        self.count = max(self.count - 1, 0)
        self.image_bytes = max(self.image_bytes - image_bytes, 0) if self.count else 0
        if drained:
            self.rate.left(emptied=not self.count)


class QueueBounds:
    """The bounds of one kind of queue, and what waits in it now. ``entries`` is its word for what waits."""

    def __init__(self, entries: str, limits: QueueLimits, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing waiting; ``entries`` is plural, such as "waiting calls"; the clock is in seconds."""
        self._entries = entries
        self._limits = limits
        self._clock = clock
        self._total = Waiting(clock)
        self._plugins: dict[str, Waiting] = {}
        self.changes = 0
        """Rises with every change."""

    @property
    def count(self) -> int:
        """How many wait, over all plugins."""
        return self._total.count

    def enter(self, plugin: str, image_bytes: int) -> None:
        """One more waits, with an image of so many bytes. Raises GovernedError QUEUE_FULL where there is no room."""
        limits, own = self._limits, self._plugins.get(plugin)
        self._check(self._total, "", limits.count, limits.image_bytes, image_bytes)
        if own is None:
            own = self._plugins[plugin] = Waiting(self._clock)
        self._check(own, plugin, limits.count_per_plugin, limits.image_bytes_per_plugin, image_bytes)
        self._total.add(image_bytes)
        own.add(image_bytes)
        self.changes += 1

    def leave(self, plugin: str, image_bytes: int, *, drained: bool) -> None:
        """One that entered waits no more; ``drained`` where its turn had come, which tells how fast the queue is."""
        self._total.remove(image_bytes, drained=drained)
        self.changes += 1
        own = self._plugins.get(plugin)
        if own is not None:
            own.remove(image_bytes, drained=drained)
            if not (own.count or own.rate.measured):  # a name that a caller made up must leave nothing behind
                del self._plugins[plugin]

    def restore(self, waiting: Mapping[str, tuple[int, int]]) -> None:
        """Take over how many wait, and how many bytes their images have, by plugin."""
        for plugin in waiting:
            self._plugins.setdefault(plugin, Waiting(self._clock))
        for plugin, own in self._plugins.items():
            self._set(own, *waiting.get(plugin, (0, 0)))
        self._set(self._total, sum(count for count, _ in waiting.values()), sum(size for _, size in waiting.values()))

    def waiting(self, plugin: str) -> tuple[int, int]:
        """How many of a plugin wait, and how many bytes their images have."""
        own = self._plugins.get(plugin)
        return (own.count, own.image_bytes) if own else (0, 0)

    @staticmethod
    def _set(queue: Waiting, count: int, image_bytes: int) -> None:
        if count and not queue.count:
            queue.rate.began()
        queue.count, queue.image_bytes = count, image_bytes

    def _check(self, queue: Waiting, plugin: str, count: int, size_limit: int, image_bytes: int) -> None:
        if queue.count >= count:
            raise self._full(queue, plugin, "count", count, 1)
        if queue.count and queue.image_bytes + image_bytes > size_limit:
            # As many have to leave as hold so many bytes, by the mean.
            missing = queue.image_bytes + image_bytes - size_limit
            departures = missing * queue.count / max(queue.image_bytes, 1)
            raise self._full(queue, plugin, "image_bytes", size_limit, max(departures, 1))

    def _full(self, queue: Waiting, plugin: str, bound: str, limit: int, departures: float) -> GovernedError:
        seconds = round(queue.rate.seconds_to_room(departures, queue.count), 3)
        whose = f" of {plugin}" if plugin else ""
        what = f"{limit} {self._entries}" if bound == "count" else f"{limit} bytes of images of {self._entries}"
        message = f"The limit of {what}{whose} is reached. Try again in {seconds:.1f} s."
        details = {
            "queue": self._entries.replace(" ", "_"),
            "bound": bound,
            "scope": "plugin" if plugin else "server",
            "limit": limit,
            "retry_seconds": seconds,
        }
        return GovernedError(ErrorReason.QUEUE_FULL, message, details, plugin=plugin)
