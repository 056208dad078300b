"""GovernanceService, of a later release."""

from __future__ import annotations

from typing import Any, NoReturn

from runward.v1 import governance_pb2_grpc
from runward_service.api.execution_servicer import not_implemented


class GovernanceServicer(governance_pb2_grpc.GovernanceServiceServicer):
    """Refuses every method with a typed error."""

    async def GetGovernanceReport(self, request: Any, context: Any) -> NoReturn:
        """Of a later release."""
        not_implemented("GetGovernanceReport")

    async def VerifyJob(self, request: Any, context: Any) -> NoReturn:
        """Of a later release."""
        not_implemented("VerifyJob")
