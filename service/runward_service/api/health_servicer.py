"""The standard health service: the server as "" (and by its services' names), each plugin as
``runward.plugin.NAME``.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runward_service.domain.errors import GovernedError
from runward_service.domain.plugin_state import PluginState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from runward_service.execution.plugin_catalog import PluginCatalog
    from runward_service.governance.attestation import CodeAttestation
    from runward_service.plugins.registry import PluginEntry
    from runward_service.store.store_health import StoreHealth

PLUGIN_PREFIX = "runward.plugin."
SERVING: int = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: int = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN: int = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Answers from the live states. A plugin is NOT_SERVING until a worker of it has come up, while UNAVAILABLE, and
    while its workers are in doubt; FAILED is a run's outcome and says nothing of health. Nothing is SERVING while the
    store takes no writes or the server's own code is not attested.
    """

    def __init__(
        self,
        catalog: PluginCatalog,
        attestation: CodeAttestation,
        store_health: StoreHealth,
        services: Collection[str],
    ) -> None:
        """Speak for the server's services and the catalog's plugins."""
        self._catalog = catalog
        self._attestation = attestation
        self._store_health = store_health
        self._services = {"", *services}
        self._serving = True
        self._change = asyncio.Event()
        self._watches = 0
        catalog.listen(self._plugin_changed)
        attestation.listen(self._signal)
        store_health.listen(self._signal)

    def stop_serving(self) -> None:
        """The server drains: nothing is SERVING any more."""
        self._serving = False
        self._signal()

    def _plugin_changed(self, entry: PluginEntry) -> None:
        self._signal()

    def _signal(self) -> None:
        if self._watches:
            self._change.set()
            self._change = asyncio.Event()

    async def _status(self, service: str) -> int:
        serving = self._serving and self._attestation.holds and not self._store_health.failing
        if service in self._services:
            return SERVING if serving else NOT_SERVING
        if service.startswith(PLUGIN_PREFIX):
            try:
                entry = await self._catalog.resolve(service.removeprefix(PLUGIN_PREFIX))
            except GovernedError:
                return SERVICE_UNKNOWN
            usable = entry.state is not PluginState.UNAVAILABLE and entry.well
            return SERVING if serving and usable else NOT_SERVING
        return SERVICE_UNKNOWN

    async def Check(self, request: Any, context: Any) -> Any:
        """The status now; of a plugin, once its first worker has come up or failed to, if that is soon. NOT_FOUND for
        an unknown service, as the protocol asks.
        """
        if request.service.startswith(PLUGIN_PREFIX):
            with suppress(GovernedError):
                await self._catalog.come_up(request.service.removeprefix(PLUGIN_PREFIX))
        status = await self._status(request.service)
        if status == SERVICE_UNKNOWN:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            context.set_details("unknown service")
        return health_pb2.HealthCheckResponse(status=status)

    async def List(self, request: Any, context: Any) -> Any:
        """The status now of the server, its services, and each plugin."""
        plugins = [PLUGIN_PREFIX + entry.name for entry in await self._catalog.all_described()]
        statuses = {
            service: health_pb2.HealthCheckResponse(status=await self._status(service))
            for service in (*sorted(self._services), *plugins)
        }
        return health_pb2.HealthListResponse(statuses=statuses)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """The status now and whenever it changes; SERVICE_UNKNOWN while the service is unknown."""
        sent = None
        self._watches += 1
        try:
            while True:
                change = self._change
                status = await self._status(request.service)
                if status != sent:
                    sent = status
                    yield health_pb2.HealthCheckResponse(status=status)
                if not self._serving:
                    return
                await change.wait()
        finally:
            self._watches -= 1
