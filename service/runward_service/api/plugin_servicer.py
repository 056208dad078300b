"""PluginService."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from runward.v1 import plugins_pb2, plugins_pb2_grpc
from runward_service.api.conversion import plugin_to_proto
from runward_service.api.execution_servicer import not_implemented
from runward_service.api.requests import invalid_field, required

if TYPE_CHECKING:
    from runward_service.execution.plugin_catalog import PluginCatalog

MAX_REASON = 1000


class PluginServicer(plugins_pb2_grpc.PluginServiceServicer):
    """Converts and delegates; see proto/runward/v1/plugins.proto for what each method does."""

    def __init__(self, catalog: PluginCatalog) -> None:
        """Delegate to the catalog."""
        self._catalog = catalog

    async def ListPlugins(self, request: Any, context: Any) -> plugins_pb2.ListPluginsResponse:
        """All plugins."""
        return plugins_pb2.ListPluginsResponse(
            plugins=[plugin_to_proto(view) for view in await self._catalog.list_all()]
        )

    async def GetPlugin(self, request: plugins_pb2.GetPluginRequest, context: Any) -> plugins_pb2.GetPluginResponse:
        """One plugin."""
        view = await self._catalog.get(required("plugin", request.plugin))
        return plugins_pb2.GetPluginResponse(plugin=plugin_to_proto(view))

    async def EnablePlugin(
        self, request: plugins_pb2.EnablePluginRequest, context: Any
    ) -> plugins_pb2.EnablePluginResponse:
        """Take a disabling back."""
        view = await self._catalog.enable(required("plugin", request.plugin))
        return plugins_pb2.EnablePluginResponse(plugin=plugin_to_proto(view))

    async def DisablePlugin(
        self, request: plugins_pb2.DisablePluginRequest, context: Any
    ) -> plugins_pb2.DisablePluginResponse:
        """Make a plugin UNAVAILABLE."""
        if len(request.reason) > MAX_REASON:
            raise invalid_field("reason", f"has at most {MAX_REASON} characters.")
        view = await self._catalog.disable(required("plugin", request.plugin), request.reason)
        return plugins_pb2.DisablePluginResponse(plugin=plugin_to_proto(view))

    async def ReloadPlugin(self, request: Any, context: Any) -> NoReturn:
        """Of a later release."""
        not_implemented("ReloadPlugin")
