"""Claimer: claims the stored jobs of a plugin, some of them before there are slots for them, and gives back those that
no slot comes for.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from runward_service.domain.errors import GovernedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from runward_service.domain.job import Job
    from runward_service.execution.plugin_queue import PluginQueue
    from runward_service.execution.slot import Slot

CLAIM_RETRY_SECONDS = 1.0
"""The pause after a claim that the store did not take; nothing tells when it will."""
HELD_SECONDS = 0.1
"""A job that was claimed is given back where no job of its plugin has got a slot for so long, or twice as long."""

logger = logging.getLogger(__name__)


class Claim(Protocol):
    """Takes up to ``limit`` of a plugin's stored jobs. Where there are as many, the first ``ready`` may begin before
    the next claim; a ``coming`` one may wait a moment for others to share its commit.
    """

    def __call__(self, plugin: str, limit: int, ready: int, *, coming: bool) -> Awaitable[list[Job]]:
        """Claim."""


class Claimer:
    """What the scheduler has of the store."""

    def __init__(
        self,
        claim: Claim,
        give_back: Callable[[Sequence[Job]], Awaitable[object]],
        run: Callable[[Job, Slot], None],
        on_changed: Callable[[str, bool], None],
        supervise: Callable[[Awaitable[None], str], object],
    ) -> None:
        """``run`` begins a claimed job that has a slot. ``on_changed`` hears of a plugin after each claim, and after
        jobs were given back (True): those may be claimed again.
        """
        self._claim = claim
        self._give_back = give_back
        self._run = run
        self._on_changed = on_changed
        self._supervise = supervise
        self._loop = asyncio.get_running_loop()

    def claim(self, plugin: str, queue: PluginQueue, slots: list[Slot], limit: int, ready: int) -> None:
        """Claim up to ``limit`` jobs: for slots that are held for them, or else to be held until slots come, the first
        ``ready`` of them free to begin.
        """
        queue.claiming = True
        queue.claims += 1
        try:
            claim = self._claim(plugin, limit, ready, coming=queue.coming)
        except GovernedError as error:  # the store is closed
            claim = failed = self._loop.create_future()
            failed.set_exception(error)
        self._supervise(self._claimed(plugin, queue, slots, limit, ready, claim), "claim of jobs")

    async def _claimed(  # noqa: PLR0917 - what a claim is made of
        self, plugin: str, queue: PluginQueue, slots: list[Slot], limit: int, ready: int, claim: Awaitable[list[Job]]
    ) -> None:
        signals = queue.signals
        try:
            jobs = await claim
        except GovernedError:
            logger.exception("jobs of %s cannot be claimed now", plugin)
            await asyncio.sleep(CLAIM_RETRY_SECONDS)
        else:
            if len(jobs) < limit and signals == queue.signals:
                queue.stored = False
            held = jobs[len(slots) :]
            queue.held.add(held, ready - len(slots) if len(jobs) == limit else len(held))
            for job in jobs[: len(slots)]:
                self._run(job, slots.pop())
        finally:
            queue.claiming = False
        for slot in slots:
            slot.free()
        self._on_changed(plugin, False)
        self._watch(plugin, queue)

    def _watch(self, plugin: str, queue: PluginQueue) -> None:
        if len(queue.held) and not queue.watched:
            queue.watched = True
            self._loop.call_later(HELD_SECONDS, self._look, plugin, queue, queue.starts)

    def _look(self, plugin: str, queue: PluginQueue, starts: int) -> None:
        queue.watched = False
        if queue.starts == starts:
            self.give_back(plugin, queue)
        self._watch(plugin, queue)

    def give_back(self, plugin: str, queue: PluginQueue) -> None:
        """Give back what has no slot, for others to claim."""
        if jobs := queue.held.take_all():
            self._supervise(self._returned(plugin, jobs), "giving jobs back")

    async def _returned(self, plugin: str, jobs: Sequence[Job]) -> None:
        while True:
            try:
                await self._give_back(jobs)
                break
            except GovernedError:
                logger.exception("jobs of %s cannot be given back now", plugin)
                await asyncio.sleep(CLAIM_RETRY_SECONDS)
        self._on_changed(plugin, True)
