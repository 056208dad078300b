"""The lifecycle states of a plugin (the specification's section 3)."""

from __future__ import annotations

from enum import Enum


class PluginState(Enum):
    """The five states. What a run came to (success or error) is a metric, never a state."""

    LOADED = "LOADED"
    INITIALIZED = "INITIALIZED"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    UNAVAILABLE = "UNAVAILABLE"


PLUGIN_TRANSITIONS: dict[PluginState, frozenset[PluginState]] = {
    PluginState.LOADED: frozenset({PluginState.INITIALIZED, PluginState.RUNNING, PluginState.UNAVAILABLE}),
    PluginState.INITIALIZED: frozenset({PluginState.RUNNING, PluginState.UNAVAILABLE}),
    PluginState.RUNNING: frozenset({PluginState.INITIALIZED, PluginState.FAILED, PluginState.UNAVAILABLE}),
    PluginState.FAILED: frozenset({PluginState.RUNNING, PluginState.UNAVAILABLE}),
    PluginState.UNAVAILABLE: frozenset(
        {PluginState.LOADED, PluginState.INITIALIZED, PluginState.FAILED, PluginState.RUNNING}
    ),
}
"""Which state may follow which. Staying in a state is no transition. UNAVAILABLE goes back to whatever state the plugin
would have had when an operator enables it."""
