"""PluginCatalog: what operators and callers see of the plugins, and what operators may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward_service.domain.verification import VerificationCounters
from runward_service.store.job_reader import PluginCounters

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.plugins.registry import PluginEntry, PluginRegistry
    from runward_service.store.job_reader import SqliteJobReader
    from runward_service.store.job_store import SqliteJobStore
    from runward_service.store.verifications import SqliteVerifications


@dataclass(frozen=True, slots=True)
class PluginView:
    """A plugin with its counters, the number of jobs that wait for it, and how verifications of its jobs ended."""

    entry: PluginEntry
    counters: PluginCounters
    queued: int
    verifications: VerificationCounters

    @property
    def caching_disabled_reason(self) -> str:
        """Why no output stands for that of another run, though the plugin is cacheable; empty where there is none."""
        description = self.entry.description
        if description is None or not description.cacheable:
            return ""
        if (description.version, description.code_digest) not in self.verifications.diverged_codes:
            return ""
        return "a verification of its present code diverged"


class PluginCatalog:
    """Reads the registry and the counters; stores what operators disable."""

    def __init__(
        self,
        registry: PluginRegistry,
        store: SqliteJobStore,
        reader: SqliteJobReader,
        verifications: SqliteVerifications,
        on_disabled: Callable[[], None],
    ) -> None:
        """Join the registry with the store; ``on_disabled`` is called when a plugin was disabled, or enabled."""
        self._verifications = verifications
        self._registry = registry
        self._store = store
        self._reader = reader
        self._on_disabled = on_disabled

    async def restore(self) -> None:
        """Take over which plugins are disabled: at the start, and where another process may have changed that."""
        self._registry.restore_disabled(await self._reader.disabled_plugins())

    def listen(self, on_change: Callable[[PluginEntry], None]) -> None:
        """Name one who hears of every plugin whose state changed."""
        self._registry.listen(on_change)

    async def resolve(self, name: str) -> PluginEntry:
        """A plugin once it is described. Raises GovernedError PLUGIN_NOT_FOUND."""
        return await self._registry.resolve(name)

    async def come_up(self, name: str) -> PluginEntry:
        """A plugin once its first worker is ready or could not come up. Raises GovernedError PLUGIN_NOT_FOUND."""
        return await self._registry.come_up(name)

    async def all_described(self) -> list[PluginEntry]:
        """All plugins, by name, once they are described, or have not been for too long."""
        return await self._registry.all_described()

    async def get(self, name: str) -> PluginView:
        """One plugin. Raises GovernedError PLUGIN_NOT_FOUND."""
        entry = await self._registry.resolve(name)
        return (await self._views([entry]))[0]

    async def list_all(self) -> list[PluginView]:
        """All plugins, by name."""
        return await self._views(await self._registry.all_described())

    async def code_digests(self) -> dict[str, str]:
        """The code digest of each plugin that could be loaded, by name."""
        entries = await self._registry.all_described()
        return {entry.name: entry.description.code_digest for entry in entries if entry.description is not None}

    async def disable(self, name: str, reason: str) -> PluginView:
        """Make a plugin UNAVAILABLE, also over restarts. Raises GovernedError PLUGIN_NOT_FOUND."""
        await self._registry.resolve(name)
        await self._store.disable_plugin(name, reason)
        self._registry.disable(name, reason)
        self._on_disabled()
        return await self.get(name)

    async def enable(self, name: str) -> PluginView:
        """Take disable back. Raises GovernedError PLUGIN_NOT_FOUND."""
        await self._registry.resolve(name)
        await self._store.enable_plugin(name)
        self._registry.enable(name)
        self._on_disabled()
        return await self.get(name)

    async def _views(self, entries: list[PluginEntry]) -> list[PluginView]:
        counters = await self._reader.counters()
        queued = await self._reader.queued_counts()
        verifications = await self._verifications.counters()
        none, unverified = PluginCounters(), VerificationCounters()
        return [
            PluginView(
                entry,
                counters.get(entry.name, none),
                queued.get(entry.name, 0),
                verifications.get(entry.name, unverified),
            )
            for entry in entries
        ]
