"""Puts the API on a server: the four services, health and reflection."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from runward.v1 import (
    blobs_pb2,
    blobs_pb2_grpc,
    governance_pb2,
    governance_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    plugins_pb2,
    plugins_pb2_grpc,
)
from runward_service.api.blob_servicer import BlobServicer
from runward_service.api.call_interceptor import CallInterceptor
from runward_service.api.call_limits import CallLimits
from runward_service.api.execution_servicer import ExecutionServicer
from runward_service.api.governance_servicer import GovernanceServicer
from runward_service.api.health_servicer import HealthServicer
from runward_service.api.plugin_servicer import PluginServicer
from runward_service.domain.limits import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    import grpc

    from runward_service.domain.limits import CallBounds
    from runward_service.domain.server_info import ServerInfo
    from runward_service.execution.analysis_execution_service import AnalysisExecutionService
    from runward_service.execution.blob_transfer import BlobTransfer
    from runward_service.execution.plugin_catalog import PluginCatalog
    from runward_service.governance.attestation import CodeAttestation
    from runward_service.store.store_health import StoreHealth

SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (jobs_pb2, "ExecutionService"),
        (plugins_pb2, "PluginService"),
        (blobs_pb2, "BlobService"),
        (governance_pb2, "GovernanceService"),
    )
)


def add_servicers(
    server: grpc.aio.Server,
    analysis: AnalysisExecutionService,
    catalog: PluginCatalog,
    attestation: CodeAttestation,
    transfer: BlobTransfer,
    *,
    store_health: StoreHealth,
    info: ServerInfo,
    bounds: CallBounds,
) -> HealthServicer:
    """Put the API on a server, all of it behind one CallInterceptor, which takes no more than the bounds allow."""
    limits = CallLimits(bounds, MAX_MESSAGE_BYTES)
    calls = CallInterceptor(limits)
    added_to = cast("grpc.aio.Server", calls)
    jobs_pb2_grpc.add_ExecutionServiceServicer_to_server(ExecutionServicer(analysis, info), added_to)
    plugins_pb2_grpc.add_PluginServiceServicer_to_server(PluginServicer(catalog), added_to)
    blobs_pb2_grpc.add_BlobServiceServicer_to_server(BlobServicer(transfer, limits), added_to)
    governance_pb2_grpc.add_GovernanceServiceServicer_to_server(
        GovernanceServicer(attestation, catalog, analysis), added_to
    )
    health_servicer = HealthServicer(catalog, attestation, store_health, SERVICES)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, added_to)
    server.add_generic_rpc_handlers((calls,))
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return health_servicer
