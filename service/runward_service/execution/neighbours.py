"""Neighbours: the other service processes on this store. What they commit, store and cancel concerns this one, and what
a dead one left is looked after.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from runward_service.domain.errors import GovernedError
from runward_service.execution.scheduler import cancelled_error
from runward_service.store.owner_lock import is_dead
from runward_service.store.owner_wakes import ANYTHING, Wake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runward_service.execution.plugin_catalog import PluginCatalog
    from runward_service.execution.recovery import Recovery
    from runward_service.execution.scheduler import Scheduler
    from runward_service.store.owner_wakes import OwnerWakes
    from runward_service.store.protocols import JobReader

POLL_SECONDS = 0.5
"""How often it is looked for dead neighbours, and for wake-ups that were lost."""
BACKLOG_SECONDS = 0.02
"""How long a stored job waits for a slot here before the others are told of it."""

logger = logging.getLogger(__name__)


class Neighbours:
    """Listens to the others and tells them. Where there is none, it looks into a folder twice a second."""

    def __init__(  # noqa: PLR0917 - built once, in bootstrap
        self,
        wakes: OwnerWakes,
        owners: Path,
        owner: str,
        reader: JobReader,
        scheduler: Scheduler,
        recovery: Recovery,
        catalog: PluginCatalog,
        on_commit: Callable[[], None],
    ) -> None:
        """Be the process ``owner``; ``on_commit`` is called when another has changed jobs."""
        self._wakes = wakes
        self._owners = owners
        self._owner = owner
        self._reader = reader
        self._scheduler = scheduler
        self._recovery = recovery
        self._catalog = catalog
        self._on_commit = on_commit
        self._heard = Wake(0)
        self._woken = asyncio.Event()
        self._version = 0
        self._next_poll = 0.0
        self._backlog_timer: asyncio.TimerHandle | None = None
        self.claims = True
        """Whether this process may run jobs."""

    def cancel_requested(self) -> None:
        """A job was marked to be cancelled that may run elsewhere."""
        self._wakes.tell(Wake.CANCELLED)

    def job_stored(self) -> None:
        """A job was stored, or given back. The others are told if there is no slot for it here."""
        if self._wakes.peers and self._backlog_timer is None:
            self._backlog_timer = asyncio.get_running_loop().call_later(BACKLOG_SECONDS, self._tell_backlog)

    def _tell_backlog(self) -> None:
        self._backlog_timer = None
        if self._scheduler.backlogged:
            self._wakes.tell(Wake.STORED)

    async def run(self) -> None:
        """Listen until cancelled."""
        loop = asyncio.get_running_loop()
        descriptor = self._wakes.fileno()
        self._next_poll = loop.time() + POLL_SECONDS
        loop.add_reader(descriptor, lambda: self._wakes.hear(self._wake))
        try:
            while True:
                await self._wait()
                try:
                    await self._react()
                except GovernedError:
                    logger.exception("what other processes left or asked for is looked at again")
        finally:
            loop.remove_reader(descriptor)

    def _wake(self, heard: Wake) -> None:
        if heard & Wake.COMMITTED:
            self._on_commit()
        if heard & ~Wake.COMMITTED:
            self._heard |= heard
            self._woken.set()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._next_poll):
                await self._woken.wait()
        self._woken.clear()
        if loop.time() >= self._next_poll:  # also where wake-ups come all the time: one of another kind may be lost
            self._next_poll = loop.time() + POLL_SECONDS
            await self._poll()

    async def _poll(self) -> None:
        """Notice what no wake-up told."""
        self._wakes.look()
        if self._wakes.peers and (version := await self._reader.data_version()) != self._version:
            self._version = version
            self._heard |= ANYTHING
            self._on_commit()

    async def _react(self) -> None:
        heard, self._heard = self._heard, Wake(0)
        try:
            await self._react_to(heard)
        except GovernedError:
            self._heard |= heard
            raise

    async def _react_to(self, heard: Wake) -> None:
        for peer in sorted(self._wakes.peers):
            if is_dead(self._owners, peer):
                await self._recovery.recover_from(peer)
                self._wakes.look()
                heard |= Wake.STORED
                self._wakes.tell(Wake.STORED)
        if heard & Wake.DISABLED:
            await self._catalog.restore()
        if heard & Wake.CANCELLED:
            for job_id in await self._reader.cancel_requests(self._owner):
                self._scheduler.stop(job_id, cancelled_error())
        if heard & Wake.STORED and self.claims:
            for plugin in await self._reader.claimable_plugins():
                self._scheduler.job_stored(plugin)
