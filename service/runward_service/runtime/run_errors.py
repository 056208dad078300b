"""How runs end that do not end with a result, as errors that callers may read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runward_service.domain.errors import ErrorReason, GovernedError

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.plugins.registry import PluginEntry
    from runward_service.runtime.run_control import RunControl
    from runward_service.runtime.worker_process import WorkerEnd

MAX_MESSAGE = 2_000
MAX_DETAILS_BYTES = 16 * 1024


def time_out(job: Job, control: RunControl) -> None:
    """End a run that takes too long."""
    seconds = job.timeout_us / 1e6
    message = f"The run took longer than {seconds:g} s and was ended."
    control.stop(GovernedError(ErrorReason.TIMEOUT, message, {"timeout_seconds": seconds}))


def describe_end(end: WorkerEnd) -> str:
    """How a worker ended, in words."""
    if end.cause == "memory":
        return f"over its memory limit, {end.peak_bytes} bytes"
    if end.exit_code < 0:
        return f"signal {-end.exit_code}"
    return f"exit code {end.exit_code}" if end.cause == "exited" else "it closed its connection"


def lost_error(end: WorkerEnd, entry: PluginEntry) -> GovernedError:
    """The end of a run whose worker ended: over its memory, or lost."""
    if end.cause == "memory" and entry.description is not None:
        return memory_error(entry.description.memory_bytes)
    message = f"The worker process was lost during the run ({describe_end(end)})."
    return GovernedError(ErrorReason.WORKER_LOST, message, {"exit_code": end.exit_code})


def lost_start_error(entry: PluginEntry, problem: str) -> GovernedError:
    """The end of an attempt that waited for a worker which was lost before it was ready: not the plugin's refusal."""
    message = f"The worker process of {entry.name} was lost before the run: {problem}"
    return GovernedError(ErrorReason.WORKER_LOST, message, plugin=entry.name)


def memory_error(limit_bytes: int) -> GovernedError:
    """The end of a run that used too much memory."""
    message = f"The run used more than {limit_bytes} bytes of memory and was ended."
    return GovernedError(ErrorReason.MEMORY_LIMIT, message, {"limit_bytes": limit_bytes})


def unavailable_error(entry: PluginEntry, problem: str) -> GovernedError:
    """A plugin that takes no work."""
    message = f"The plugin {entry.name} is unavailable: {problem}"
    return GovernedError(ErrorReason.PLUGIN_UNAVAILABLE, message, {"state_reason": problem}, plugin=entry.name)


def failure_error(meta: dict[str, Any], entry: PluginEntry) -> GovernedError:
    """What a worker reports of a run that raised or returned what the rules refuse."""
    try:
        reason = ErrorReason(meta["reason"])
    except (KeyError, ValueError):
        reason = ErrorReason.PLUGIN_RAISED
    internal = str(meta.get("traceback", ""))
    if reason is ErrorReason.MEMORY_LIMIT and entry.description is not None:
        error = memory_error(entry.description.memory_bytes)
        error.internal = internal
        return error
    details = meta.get("details")
    if len(json.dumps(details)) > MAX_DETAILS_BYTES:
        details = {"truncated": True}
    message = str(meta.get("message") or "The plugin failed. Its operator finds the cause by the job's id.")
    return GovernedError(
        reason,
        message[:MAX_MESSAGE],
        details if isinstance(details, dict) else {},
        internal=internal,
        retryable=reason is ErrorReason.PLUGIN_RAISED and meta.get("retryable") is True,
    )
