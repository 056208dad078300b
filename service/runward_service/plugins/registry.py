"""The plugins of this process and their live states. Changed by the worker pool, as it loads plugins, by operators, and
by ToolRunner.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.plugin_state import PLUGIN_TRANSITIONS, PluginState
from runward_service.runtime.validation import InputValidator

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.domain.plugin_description import PluginDescription
    from runward_service.plugins.loader import PluginSource

logger = logging.getLogger(__name__)
DESCRIBE_WAIT_SECONDS = 10.0
MAX_REASON = 1000


class IllegalTransition(Exception):  # noqa: N818 - named for what it is
    """A plugin was to change into a state that may not follow its own."""


@dataclass(slots=True)
class PluginEntry:
    """One plugin. ``description`` and ``validator`` are absent until a worker has described it, and where none
    could.
    """

    source: PluginSource
    name: str
    state: PluginState = PluginState.LOADED
    state_reason: str = ""
    description: PluginDescription | None = None
    validator: InputValidator | None = None
    in_flight: int = 0
    at_rest: PluginState = PluginState.LOADED
    load_error: str = ""
    disabled_reason: str | None = None
    trouble: str = ""
    """Why its health is in doubt (its workers could not come up, died again and again, or hung), until a run
    succeeds. No state: it takes work all the same."""
    ready_workers: int = 0
    """How many workers have come up so far."""
    ready_at_trouble: int = 0
    """How many had when its trouble was last told of."""
    added_time: float = 0.0
    """By the monotonic clock, in seconds."""

    @property
    def well(self) -> bool:
        """Whether a worker has come up and nothing has put that in doubt since."""
        return self.description is not None and self.at_rest is not PluginState.LOADED and not self.trouble

    @property
    def came_up_since(self) -> bool:
        """Whether a worker has come up since its trouble was last told of."""
        return self.ready_workers > self.ready_at_trouble

    def settle(self) -> None:
        """Move to the state that the entry's facts add up to. Raises IllegalTransition."""
        self.state_reason = self.load_error
        if self.load_error:
            state = PluginState.UNAVAILABLE
        elif self.disabled_reason is not None:
            state = PluginState.UNAVAILABLE
            self.state_reason = f"disabled: {self.disabled_reason}" if self.disabled_reason else "disabled"
        else:
            state = PluginState.RUNNING if self.in_flight else self.at_rest
        self.move_to(state)

    def move_to(self, state: PluginState) -> None:
        """Change the state. Raises IllegalTransition when it may not follow the present one."""
        if state is self.state:
            return
        if state not in PLUGIN_TRANSITIONS[self.state]:
            raise IllegalTransition(f"{self.name}: {self.state.value} to {state.value}")
        self.state = state


class PluginRegistry:
    """The entries, by name."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: dict[str, PluginEntry] = {}
        self._listeners: list[Callable[[PluginEntry], None]] = []
        self._undescribed: set[str] = set()
        self._progress = asyncio.Event()
        self._disabled: dict[str, str] = {}

    def listen(self, on_change: Callable[[PluginEntry], None]) -> None:
        """Name one who hears of every entry whose state changed, after the change."""
        self._listeners.append(on_change)

    def restore_disabled(self, disabled: dict[str, str]) -> None:
        """Take over which plugins operators have disabled, and why, before this process started or in another one."""
        self._disabled = dict(disabled)
        for entry in list(self._entries.values()):
            if entry.disabled_reason != (reason := self._disabled.get(entry.name)):
                entry.disabled_reason = reason
                self._changed(entry)

    def add(self, source: PluginSource) -> PluginEntry:
        """Enter a plugin that was found and not yet described: LOADED."""
        name = source.target if source.placeholder in self._entries else source.placeholder
        disabled = self._disabled.get(name)
        entry = PluginEntry(source, name, disabled_reason=disabled, added_time=time.monotonic())
        self._entries[name] = entry
        self._undescribed.add(name)
        self._changed(entry)
        return entry

    def describe(self, entry: PluginEntry, description: PluginDescription) -> None:
        """Take a worker's description; a later one of the same plugin replaces it. Makes the plugin UNAVAILABLE where
        it cannot stand.
        """
        problem = ""
        validator = None
        other = self._entries.get(description.name)
        if entry.source.name not in {"", description.name}:
            problem = f"its class is named {description.name!r}, but it was entered as {entry.source.name!r}"
        elif other is not None and other is not entry:
            problem = f"the name {description.name!r} is taken by {other.source.target}"
        else:
            try:
                validator = InputValidator(description)
            except ValueError as error:
                problem = f"options_schema is not a JSON Schema: {error}"
        if problem:
            self.fail_loading(entry, problem)
            return
        if entry.description is None:
            entry.load_error = ""  # of a worker that was lost before this one
        self._entries.pop(entry.name, None)
        found_as, entry.name = entry.name, description.name
        entry.description, entry.validator = description, validator
        entry.disabled_reason = self._disabled.get(entry.name)
        self._entries[entry.name] = entry
        self._no_longer_awaited(found_as)
        entry.settle()
        self._tell(entry)

    def fail_loading(self, entry: PluginEntry, reason: str, *, lost: bool = False) -> None:
        """The plugin cannot be loaded or set up: UNAVAILABLE. ``lost``: its worker was lost before it could tell; the
        next one may, so calls for a plugin whose name is not known yet go on waiting.
        """
        reason = reason[:MAX_REASON].encode(errors="backslashreplace").decode()
        if entry.load_error != reason:
            logger.error("plugin %s is unavailable: %s", entry.name, reason)
        entry.load_error = entry.trouble = reason
        entry.ready_at_trouble = entry.ready_workers
        self._changed(entry)
        if not lost:
            self._no_longer_awaited(entry.name)

    def doubt(self, entry: PluginEntry, trouble: str) -> None:
        """Something happened to the plugin's workers that a run has to disprove."""
        logger.error("plugin %s is in trouble: %s", entry.name, trouble)
        entry.trouble = trouble
        entry.ready_at_trouble = entry.ready_workers
        self._tell(entry)

    def trust(self, entry: PluginEntry) -> None:
        """The plugin has shown that it is well."""
        if entry.trouble:
            logger.warning("plugin %s is well again", entry.name)
            entry.trouble = ""
            self._tell(entry)

    def finish_setup(self, entry: PluginEntry) -> None:
        """A worker of the plugin is ready: INITIALIZED, if that is its first word. Nothing where its description could
        not stand.
        """
        if entry.description is None:
            return
        entry.ready_workers += 1
        entry.load_error = ""
        if entry.at_rest is PluginState.LOADED:
            entry.at_rest = PluginState.INITIALIZED
        self._changed(entry)
        self._wake()

    def disable(self, name: str, reason: str) -> None:
        """Make a plugin UNAVAILABLE until it is enabled."""
        self._disabled[name] = reason
        entry = self.get(name)
        entry.disabled_reason = reason
        self._changed(entry)

    def enable(self, name: str) -> None:
        """Take disable back."""
        self._disabled.pop(name, None)
        entry = self.get(name)
        entry.disabled_reason = None
        self._changed(entry)

    def begin_run(self, name: str) -> None:
        """A run of the plugin is in flight: RUNNING."""
        entry = self.get(name)
        entry.in_flight += 1
        if entry.in_flight == 1:  # more of them change nothing
            self._changed(entry)

    def end_run(self, name: str, *, succeeded: bool) -> None:
        """A run has ended. RUNNING until the last one in flight ends; then what that one came to: INITIALIZED or
        FAILED.
        """
        entry = self.get(name)
        entry.in_flight -= 1
        entry.at_rest = PluginState.INITIALIZED if succeeded else PluginState.FAILED
        if not entry.in_flight:
            self._changed(entry)
        if succeeded and entry.trouble:
            self.trust(entry)

    def get(self, name: str) -> PluginEntry:
        """The entry of a name. Raises GovernedError PLUGIN_NOT_FOUND."""
        entry = self._entries.get(name)
        if entry is None:
            message = f"No plugin is named {name[:100]!r}."
            raise GovernedError(
                ErrorReason.PLUGIN_NOT_FOUND, message, {"plugins": sorted(self._entries)[:50]}, plugin=name[:100]
            )
        return entry

    def described(self, name: str) -> PluginEntry | None:
        """The entry of a name that needs no waiting, None where resolve has to wait or to refuse."""
        return None if name in self._undescribed else self._entries.get(name)

    def entries(self) -> list[PluginEntry]:
        """All entries, by name."""
        return [self._entries[name] for name in sorted(self._entries)]

    async def resolve(self, name: str) -> PluginEntry:
        """The entry of a name, once its worker has described it or failed to.

        Waits only while that plugin, or one whose name is not known yet, has not been described, and until
        DESCRIBE_WAIT_SECONDS after it was added at most. Raises GovernedError PLUGIN_NOT_FOUND.
        """

        def known() -> bool:
            if name in self._entries:
                return name not in self._awaited()
            return not any(not self._entries[other].source.name for other in self._awaited())

        await self._wait(known)
        return self.get(name)

    async def come_up(self, name: str) -> PluginEntry:
        """The entry of a name, once its first worker is ready or could not come up; waits no longer than resolve."""
        entry = await self.resolve(name)
        end = entry.added_time + DESCRIBE_WAIT_SECONDS

        def known() -> bool:
            coming = entry.at_rest is PluginState.LOADED and entry.state is not PluginState.UNAVAILABLE
            return not coming or time.monotonic() >= end

        await self._wait(known)
        return entry

    async def all_described(self) -> list[PluginEntry]:
        """All entries, by name, once every plugin is described or has failed to, or DESCRIBE_WAIT_SECONDS have
        passed since it was added.
        """
        await self._wait(lambda: not self._awaited())
        return self.entries()

    def _awaited(self) -> list[str]:
        """The plugins that will be described soon: one whose import hangs holds calls up once, not each of them."""
        latest = time.monotonic() - DESCRIBE_WAIT_SECONDS
        return [name for name in self._undescribed if self._entries[name].added_time > latest]

    async def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            with suppress(TimeoutError):
                async with asyncio.timeout(DESCRIBE_WAIT_SECONDS / 10):
                    await self._progress.wait()

    def _no_longer_awaited(self, name: str) -> None:
        self._undescribed.discard(name)
        self._wake()

    def _wake(self) -> None:
        """Let those who wait look again."""
        self._progress.set()
        self._progress = asyncio.Event()

    def _changed(self, entry: PluginEntry) -> None:
        before = entry.state, entry.state_reason
        entry.settle()
        if before != (entry.state, entry.state_reason) or entry.name in self._undescribed:
            self._tell(entry)

    def _tell(self, entry: PluginEntry) -> None:
        for listener in self._listeners:
            listener(entry)
