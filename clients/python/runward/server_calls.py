"""The calls that tell of the server, and verify what it did."""

from __future__ import annotations

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from runward.caller import Caller
from runward.enums import HealthStatus
from runward.errors import TransportError
from runward.governance import GovernanceReport
from runward.server import ServerInfo, Verification
from runward.v1 import governance_pb2, jobs_pb2

_HEALTH = (
    HealthStatus.UNKNOWN,
    HealthStatus.SERVING,
    HealthStatus.NOT_SERVING,
    HealthStatus.SERVICE_UNKNOWN,
)
"""The statuses of grpc.health.v1, by number."""


class ServerCalls(Caller):
    """What a client can ask about the server."""

    async def server_info(self, *, deadline: float | None = None) -> ServerInfo:
        """Give what this server is and which limits it has."""
        request = jobs_pb2.GetServerInfoRequest()
        response = await self._call(self._connection.execution.GetServerInfo, request, "GetServerInfo", deadline)
        return ServerInfo.from_proto(response)

    async def health(self, plugin: str = "", *, deadline: float | None = None) -> HealthStatus:
        """Ask the standard health service: for the server, or for one plugin.

        Gives SERVICE_UNKNOWN, rather than an error, where the server has no such plugin.
        """
        request = StringValue(value=f"runward.plugin.{plugin}" if plugin else "")
        try:
            response = await self._call(self._connection.check_health, request, "Check", deadline)
        except TransportError as error:  # the health service answers in its own words, without Runward's details
            if error.code is grpc.StatusCode.NOT_FOUND:
                return HealthStatus.SERVICE_UNKNOWN
            raise
        known = 0 <= response.value < len(_HEALTH)
        return _HEALTH[response.value] if known else HealthStatus.UNKNOWN

    async def governance_report(self, *, deadline: float | None = None) -> GovernanceReport:
        """Give what the server found when it checked its own code: its verdict, and what that rests on."""
        request = governance_pb2.GetGovernanceReportRequest()
        method = self._connection.governance.GetGovernanceReport
        return GovernanceReport.from_proto(await self._call(method, request, "GetGovernanceReport", deadline))

    async def verify(self, job_id: str, *, deadline: float | None = None) -> Verification:
        """Run a finished job again from its stored input and compare.

        It takes a run's time, so that it has no deadline by default. Raises ExecutionError (NOT_IMPLEMENTED) on servers
        without it.
        """
        connection = self._connection
        request = governance_pb2.VerifyJobRequest(job_id=job_id)
        response = await connection.call(connection.governance.VerifyJob, request, name="VerifyJob", deadline=deadline)
        return Verification.from_proto(response)
