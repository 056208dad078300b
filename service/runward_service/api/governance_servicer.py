"""GovernanceService."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from runward.v1 import governance_pb2, governance_pb2_grpc
from runward_service.api.conversion import report_to_proto
from runward_service.api.execution_servicer import not_implemented

if TYPE_CHECKING:
    from runward_service.execution.plugin_catalog import PluginCatalog
    from runward_service.governance.attestation import CodeAttestation


class GovernanceServicer(governance_pb2_grpc.GovernanceServiceServicer):
    """Converts and delegates; see proto/runward/v1/governance.proto for what each method does."""

    def __init__(self, attestation: CodeAttestation, catalog: PluginCatalog) -> None:
        """Report what the attestation found, and the catalog's plugins."""
        self._attestation = attestation
        self._catalog = catalog

    async def GetGovernanceReport(
        self, request: governance_pb2.GetGovernanceReportRequest, context: Any
    ) -> governance_pb2.GetGovernanceReportResponse:
        """The verdict on the server's own code."""
        digests = await self._catalog.code_digests()
        return report_to_proto(self._attestation.report, digests)

    async def VerifyJob(self, request: Any, context: Any) -> NoReturn:
        """Of a later release."""
        not_implemented("VerifyJob")
