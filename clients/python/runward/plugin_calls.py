"""The calls that tell of plugins and switch them."""

from __future__ import annotations

from runward.caller import Caller
from runward.plugin import Plugin
from runward.v1 import plugins_pb2


class PluginCalls(Caller):
    """What a client can do with plugins. Where no plugin has the name, each raises PluginError (PLUGIN_NOT_FOUND)."""

    async def plugins(self, *, deadline: float | None = None) -> tuple[Plugin, ...]:
        """Give all plugins, by name, with those that could not be loaded."""
        request = plugins_pb2.ListPluginsRequest()
        response = await self._call(self._connection.plugins.ListPlugins, request, "ListPlugins", deadline)
        return tuple(Plugin.from_proto(plugin) for plugin in response.plugins)

    async def plugin(self, name: str, *, deadline: float | None = None) -> Plugin:
        """Give one plugin."""
        request = plugins_pb2.GetPluginRequest(plugin=name)
        response = await self._call(self._connection.plugins.GetPlugin, request, "GetPlugin", deadline)
        return Plugin.from_proto(response.plugin)

    async def enable(self, name: str, *, deadline: float | None = None) -> Plugin:
        """Take back disable, and give the plugin. Its pending jobs run."""
        request = plugins_pb2.EnablePluginRequest(plugin=name)
        response = await self._call(self._connection.plugins.EnablePlugin, request, "EnablePlugin", deadline)
        return Plugin.from_proto(response.plugin)

    async def disable(self, name: str, reason: str = "", *, deadline: float | None = None) -> Plugin:
        """Make the plugin UNAVAILABLE until it is enabled, also over restarts, and give it.

        Args:
            name: the plugin's name.
            reason: why, for others to read in `state_reason`; at most 1,000 characters.
            deadline: the longest time of this call, in seconds; by default the client's.
        """
        request = plugins_pb2.DisablePluginRequest(plugin=name, reason=reason)
        response = await self._call(self._connection.plugins.DisablePlugin, request, "DisablePlugin", deadline)
        return Plugin.from_proto(response.plugin)

    async def reload(self, name: str, *, deadline: float | None = None) -> Plugin:
        """Load the plugin's code anew. Raises ExecutionError (NOT_IMPLEMENTED) on servers without it."""
        request = plugins_pb2.ReloadPluginRequest(plugin=name)
        response = await self._call(self._connection.plugins.ReloadPlugin, request, "ReloadPlugin", deadline)
        return Plugin.from_proto(response.plugin)
