"""What the server tells of itself, and of a job that it verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runward.enums import Verdict, enum_from_proto
from runward.structs import from_value
from runward.times import from_duration, from_timestamp
from runward.v1 import governance_pb2

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from runward.v1 import jobs_pb2


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server is and which limits it has. Fields are those of the proto's GetServerInfoResponse."""

    version: str
    api: str
    owner_id: str
    """The id of this server process's run, which owns the jobs that it runs."""
    start_time: datetime | None
    worker_limit: int
    max_image_bytes: int
    max_result_bytes: int
    retention: timedelta | None
    """How long finished jobs are kept that have no retention of their own."""
    retained_jobs: int
    """How many of them at most; 0: any number."""
    max_retention: timedelta | None
    """The longest retention that a request may ask for."""

    @classmethod
    def from_proto(cls, info: jobs_pb2.GetServerInfoResponse) -> ServerInfo:
        """Read a GetServerInfoResponse message."""
        return cls(
            version=info.version,
            api=info.api,
            owner_id=info.owner_id,
            start_time=from_timestamp(info, "start_time"),
            worker_limit=info.worker_limit,
            max_image_bytes=info.max_image_bytes,
            max_result_bytes=info.max_result_bytes,
            retention=from_duration(info, "retention"),
            retained_jobs=info.retained_jobs,
            max_retention=from_duration(info, "max_retention"),
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of running a finished job again. Fields are those of the proto's VerifyJobResponse."""

    verdict: Verdict
    path: str
    """The first JSON path at which the outputs differ; empty where they do not."""
    recorded: Any
    observed: Any
    reason: str

    @classmethod
    def from_proto(cls, response: governance_pb2.VerifyJobResponse) -> Verification:
        """Read a VerifyJobResponse message. Raises RunwardError for a verdict that this client does not know."""
        return cls(
            verdict=enum_from_proto(Verdict, governance_pb2.Verdict.Name, "VERDICT_", response.verdict),
            path=response.path,
            recorded=from_value(response.recorded) if response.HasField("recorded") else None,
            observed=from_value(response.observed) if response.HasField("observed") else None,
            reason=response.reason,
        )
