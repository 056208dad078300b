"""Sees that workers live: asks each for signs of life, counts runs that were lost one after another."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.runtime.heartbeat import PING_SECONDS, longest_silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runward_service.plugins.registry import PluginRegistry
    from runward_service.runtime.plugin_workers import PluginWorkers
    from runward_service.runtime.worker_process import WorkerProcess

LOSSES_IN_A_ROW = 3
"""More than the attempts that one input makes unless its plugin says otherwise, so that one that kills its workers does
not pass for a plugin in trouble."""

logger = logging.getLogger(__name__)


class VitalSigns:
    """Puts a plugin in doubt whose workers hang or keep dying; a run that succeeds takes the doubt back."""

    def __init__(self, registry: PluginRegistry) -> None:
        """Tell the registry of doubts."""
        self._registry = registry

    def note_loss(self, group: PluginWorkers, how: str) -> None:
        """A worker died, or a run took as long as its plugin allows, and no run was answered in between."""
        group.losses += 1
        if group.losses >= LOSSES_IN_A_ROW:
            self._registry.doubt(group.entry, f"{LOSSES_IN_A_ROW} workers or more were lost in a row ({how})")

    def note_timeout(self, group: PluginWorkers, worker: WorkerProcess, timeout_us: int) -> None:
        """A run took too long; call it before the worker is ended. A caller's own, shorter timeout says nothing of the
        plugin.
        """
        description = group.entry.description
        if worker.stopped:
            self._registry.doubt(group.entry, "a process of a worker is stopped")
        elif description is not None and timeout_us >= description.timeout_us:
            self.note_loss(group, "a run took too long")

    async def watch(
        self,
        groups: Callable[[], Iterable[PluginWorkers]],
        end: Callable[[PluginWorkers, WorkerProcess], None],
    ) -> None:
        """Ask the workers of all groups, again and again; ``end`` is called with each that does not answer."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(PING_SECONDS)
            late = loop.time() - before > 2 * PING_SECONDS
            for group in groups():
                for worker in list(group.workers):
                    if late:
                        # The answers may wait to be read: it was this process that stood still.
                        worker.heartbeat.forgive()
                    elif silent := self._silent(group, worker):
                        logger.error("the %s of worker %d of %s is silent", silent, worker.pid, group.entry.name)
                        self._registry.doubt(group.entry, f"the {silent} process of a worker does not answer")
                        end(group, worker)
                    elif group.is_idle(worker) or worker.runs:
                        worker.ping(idle=group.is_idle(worker))

    def _silent(self, group: PluginWorkers, worker: WorkerProcess) -> str:
        description = group.entry.description
        if worker.spent or description is None:
            return ""
        return worker.heartbeat.silent(longest_silence(description.timeout))
