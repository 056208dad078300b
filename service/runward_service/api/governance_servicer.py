"""GovernanceService."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runward.v1 import governance_pb2, governance_pb2_grpc
from runward_service.api.call_interceptor import PRINCIPAL
from runward_service.api.conversion import report_to_proto, verification_to_proto
from runward_service.api.requests import required

if TYPE_CHECKING:
    from runward_service.execution.analysis_execution_service import AnalysisExecutionService
    from runward_service.execution.plugin_catalog import PluginCatalog
    from runward_service.governance.attestation import CodeAttestation


class GovernanceServicer(governance_pb2_grpc.GovernanceServiceServicer):
    """Converts and delegates; see proto/runward/v1/governance.proto for what each method does."""

    def __init__(
        self, attestation: CodeAttestation, catalog: PluginCatalog, analysis: AnalysisExecutionService
    ) -> None:
        """Report what the attestation found, and the catalog's plugins; verify with the analysis service."""
        self._analysis = analysis
        self._attestation = attestation
        self._catalog = catalog

    async def GetGovernanceReport(
        self, request: governance_pb2.GetGovernanceReportRequest, context: Any
    ) -> governance_pb2.GetGovernanceReportResponse:
        """The verdict on the server's own code."""
        digests = await self._catalog.code_digests()
        return report_to_proto(self._attestation.report, digests)

    async def VerifyJob(
        self, request: governance_pb2.VerifyJobRequest, context: Any
    ) -> governance_pb2.VerifyJobResponse:
        """Run a finished job again."""
        verification = await self._analysis.verify(required("job_id", request.job_id), PRINCIPAL.get())
        return verification_to_proto(verification)
