"""The gRPC channel: its limits, its keepalive, and which methods it may call again by itself.

UNAVAILABLE from a Runward server means that nothing was accepted, but a channel says UNAVAILABLE just the same when a
connection breaks in the middle of a call, and a retryPolicy cannot tell the two apart. So the service config lists only
methods that do no harm when they run twice. Uploads and downloads go on where they were (blob_calls). For the others
(Analyze, SubmitJob, RetryJob, DeleteJob, VerifyJob, ReloadPlugin) Connection retries, and only where the status carries
Runward's own details or the request has an id.
What gRPC calls a transparent retry stays on for all: it happens only where the server's code has not seen the call.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import grpc.aio

if TYPE_CHECKING:
    from runward.retry import RetryPolicy

MAX_MESSAGE_BYTES = 66 * 1024 * 1024
"""An image of 64 MiB and room for what stands around it."""

HARMLESS_TWICE = {
    "runward.v1.ExecutionService": ("GetJob", "ListJobs", "CancelJob", "GetServerInfo"),
    "runward.v1.PluginService": ("ListPlugins", "GetPlugin", "EnablePlugin", "DisablePlugin"),
    "runward.v1.BlobService": ("FindMissingBlobs",),
    "grpc.health.v1.Health": ("Check",),
}
"""The methods that the channel itself retries: they read, or change nothing when called a second time."""


def service_config(policy: RetryPolicy) -> dict[str, Any]:
    """Make the gRPC service config: a retryPolicy for UNAVAILABLE alone, on the methods of HARMLESS_TWICE alone."""
    if policy.attempts < 2:  # gRPC takes no retryPolicy of one attempt
        return {}
    names = [
        {"service": service, "method": method} for service, methods in HARMLESS_TWICE.items() for method in methods
    ]
    retry_policy = {
        "maxAttempts": policy.attempts,
        "initialBackoff": f"{policy.initial}s",
        "maxBackoff": f"{policy.longest}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {"methodConfig": [{"name": names, "retryPolicy": retry_policy}]}


def open_channel(target: str, policy: RetryPolicy, version: str) -> grpc.aio.Channel:
    """Open a channel to the target, "host:port". Connecting happens with the first call. Needs a running event loop."""
    options: list[tuple[str, Any]] = [
        ("grpc.primary_user_agent", f"runward-python/{version}"),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # A connection of its own, not one shared with other channels of this process: a server of several processes
        # shares out connections, not calls.
        ("grpc.use_local_subchannel_pool", 1),
        # A dead peer is noticed within 40 s. The server allows a ping every 20 s while calls are in flight, and a quiet
        # WatchJob must not run out of pings (max_pings_without_data 0: no limit).
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.http2.max_pings_without_data", 0),
        # The default grows to two minutes, in which a restarted server would seem to be gone.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        # A config from DNS could put a retryPolicy on Analyze.
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.service_config", json.dumps(service_config(policy))),
    ]
    return grpc.aio.insecure_channel(target, options=options)
