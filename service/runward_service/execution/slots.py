"""Slots: how many runs each plugin may have at once, and all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_service.domain.errors import GovernedError
from runward_service.domain.plugin_state import PluginState
from runward_service.execution.plugin_queue import PluginQueue
from runward_service.execution.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.plugins.registry import PluginEntry, PluginRegistry


class Slots:
    """The slots of this process, with the queues before them."""

    def __init__(self, registry: PluginRegistry, limit: int, runs_ahead: Callable[[PluginEntry], int]) -> None:
        """Give out at most ``limit`` at once in all.

        ``runs_ahead`` tells how many runs more a busy worker of a plugin may be sent, where runs are so short that it
        would wait for the service between two of them.
        """
        self._registry = registry
        self._limit = limit
        self._runs_ahead = runs_ahead
        self._running = 0
        self.queues: dict[str, PluginQueue] = {}
        """By plugin, in the order in which they last got a slot, so that none waits for ever behind another."""
        self.on_freed: Callable[[str], None] = lambda plugin: None
        """Hears of the plugin of every slot that its holder has freed, and which then is to be put back."""

    def queue(self, plugin: str) -> PluginQueue:
        """What waits for the slots of a plugin."""
        queue = self.queues.get(plugin)
        if queue is None:
            queue = PluginQueue(usable=self.usable(plugin) is not None)
            self.queues = {plugin: queue, **self.queues}  # it never got a slot, so it comes first
        return queue

    def usable(self, plugin: str) -> PluginEntry | None:
        """The plugin, where it can run."""
        try:
            entry = self._registry.get(plugin)
        except GovernedError:
            return None
        # Before its first worker is ready, its jobs wait here, where queue_timeout holds, rather than with a slot.
        not_ready = entry.description is None or entry.at_rest is PluginState.LOADED
        return None if not_ready or entry.state is PluginState.UNAVAILABLE else entry

    def free(self, plugin: str, queue: PluginQueue) -> int:
        """How many slots of the plugin are free; none where it cannot run."""
        entry = self.usable(plugin)
        if entry is None:
            return 0
        queue.concurrency = entry.description.concurrency if entry.description else 0
        if (own := self._own_free(queue)) > 0:
            return own
        ahead = queue.running * self._runs_ahead(entry) - (queue.taken - queue.running)
        return ahead if ahead > 0 and not self._others_wait(queue) else 0

    def runs_ahead(self, plugin: str, queue: PluginQueue) -> int:
        """How many runs more a busy worker of the plugin may be sent now."""
        entry = self.usable(plugin)
        return 0 if entry is None or self._others_wait(queue) else self._runs_ahead(entry)

    def idle(self, plugin: str) -> bool:
        """Whether nothing of the plugin runs or waits here, and the server has a place to spare."""
        queue = self.queue(plugin)
        return not (queue.taken or queue.callers or queue.stored or len(queue.held)) and self._running < self._limit

    def take(self, plugin: str, queue: PluginQueue) -> Slot:
        """Take one of the free slots that have just been counted."""
        queue.taken += 1
        if self._own_free(queue) > 0:
            queue.running += 1
            self._running += 1
        if next(reversed(self.queues)) != plugin:
            self.queues[plugin] = self.queues.pop(plugin)
        return Slot(plugin, self.on_freed)

    def put_back(self, plugin: str) -> PluginQueue:
        """A slot of the plugin came back; what waits for it."""
        queue = self.queue(plugin)
        queue.taken -= 1
        if queue.taken < queue.running:
            queue.running -= 1
            self._running -= 1
        return queue

    def _own_free(self, queue: PluginQueue) -> int:
        return min(queue.concurrency - queue.running, self._limit - self._running)

    def _others_wait(self, queue: PluginQueue) -> bool:
        """Whether another plugin waits for this one's place, which runs sent ahead would keep for ever."""
        if self._running < self._limit:
            return False
        return any(other is not queue and (other.callers or other.stored) for other in self.queues.values())
