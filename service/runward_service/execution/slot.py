"""Slots, and the places of callers that wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.domain.caller import Caller


class Slot:
    """The right to run one job of a plugin now."""

    def __init__(self, plugin: str, on_freed: Callable[[str], None]) -> None:
        """Hold a slot of a plugin; ``on_freed`` hears when it comes back."""
        self._plugin = plugin
        self._on_freed = on_freed
        self._held = True

    def free(self) -> None:
        """Give the slot back; again does nothing."""
        if self._held:
            self._held = False
            self._on_freed(self._plugin)


class Place(NamedTuple):
    """A caller's place among those that wait for a plugin's slots; its image takes so many bytes."""

    plugin: str
    caller: Caller
    image_bytes: int
