"""The Python client of Runward, the service that runs image-analysis plugins as governed jobs.

    async with runward.connect("localhost:50051") as rw:
        job = await rw.analyze("ocr", "receipt.png")
        print(job.result)

`connect_sync` is the same for code without asyncio. Errors are exceptions: ValidationError, PluginError, ExecutionError
and TransportError, all of them RunwardError. The generated messages and stubs are in `runward.v1`.
"""

from runward.client import Client, connect
from runward.enums import Attestation, FileChangeKind, HealthStatus, JobStatus, PluginState, Verdict
from runward.errors import ErrorInfo, ExecutionError, PluginError, RunwardError, TransportError, ValidationError
from runward.governance import FileChange, Finding, FindingStep, GovernanceReport
from runward.image import Image
from runward.job import Artifact, Bookmark, Job, PayloadInfo, Progress, Receipt, Snapshot
from runward.plugin import Divergence, Plugin, PluginLimits, PluginMetrics
from runward.retry import RetryPolicy
from runward.server import ServerInfo, Verification
from runward.sync_client import SyncClient, connect_sync

__all__ = [
    "Artifact",
    "Attestation",
    "Bookmark",
    "Client",
    "Divergence",
    "ErrorInfo",
    "ExecutionError",
    "FileChange",
    "FileChangeKind",
    "Finding",
    "FindingStep",
    "GovernanceReport",
    "HealthStatus",
    "Image",
    "Job",
    "JobStatus",
    "PayloadInfo",
    "Plugin",
    "PluginError",
    "PluginLimits",
    "PluginMetrics",
    "PluginState",
    "Progress",
    "Receipt",
    "RetryPolicy",
    "RunwardError",
    "ServerInfo",
    "Snapshot",
    "SyncClient",
    "TransportError",
    "ValidationError",
    "Verdict",
    "Verification",
    "connect",
    "connect_sync",
]
