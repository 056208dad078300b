"""Plugin: what can be run, in which state it is, and how it has done so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runward.enums import PluginState, enum_from_proto
from runward.structs import from_struct
from runward.times import from_duration, from_timestamp
from runward.v1 import plugins_pb2

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class PluginLimits:
    """What a run of the plugin may use."""

    timeout: timedelta | None
    """The longest time of one attempt; also the default."""
    memory_bytes: int
    concurrency: int
    max_attempts: int


@dataclass(frozen=True, slots=True)
class Divergence:
    """A verification that gave another end than its job has."""

    job_id: str
    path: str
    """The first JSON path at which the ends differ; empty once the job is removed."""
    time: datetime | None


@dataclass(frozen=True, slots=True)
class PluginMetrics:
    """How the plugin has done since the data folder was made. Durations are None before the first run."""

    success_count: int
    error_count: int
    in_flight: int
    queued: int
    last_execution_duration: timedelta | None
    mean_execution_duration: timedelta | None
    p50_execution_duration: timedelta | None
    p99_execution_duration: timedelta | None
    last_used_time: datetime | None
    reproducible_count: int
    """Verifications that gave the same end again; the next two: another end, and those that could not be made."""
    diverged_count: int
    unverifiable_count: int
    last_divergence: Divergence | None
    cached_count: int
    """Jobs of success_count that got the output of an equal job, without a run."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin. Fields are those of the proto's Plugin."""

    name: str
    version: str
    description: str
    state: PluginState
    state_reason: str
    """Why it is in that state, where that needs saying."""
    mime_types: tuple[str, ...]
    options_schema: dict[str, Any]
    """The JSON Schema of its options."""
    limits: PluginLimits
    metrics: PluginMetrics
    code_digest: str
    deterministic: bool
    """Whether it says that the same image and options give the same output, so that its jobs can be verified."""
    cacheable: bool
    """Whether it says that a stored output may stand for that of another run."""
    caching_disabled_reason: str
    """Why none does all the same: a verification of its present code diverged. Empty where there is no such reason."""

    @classmethod
    def from_proto(cls, plugin: plugins_pb2.Plugin) -> Plugin:
        """Read a Plugin message. Raises RunwardError for a state that this client does not know."""
        limits, metrics = plugin.limits, plugin.metrics
        return cls(
            name=plugin.name,
            version=plugin.version,
            description=plugin.description,
            state=enum_from_proto(PluginState, plugins_pb2.PluginState.Name, "PLUGIN_STATE_", plugin.state),
            state_reason=plugin.state_reason,
            mime_types=tuple(plugin.mime_types),
            options_schema=from_struct(plugin.options_schema),
            limits=PluginLimits(
                from_duration(limits, "timeout"), limits.memory_bytes, limits.concurrency, limits.max_attempts
            ),
            metrics=PluginMetrics(
                success_count=metrics.success_count,
                error_count=metrics.error_count,
                in_flight=metrics.in_flight,
                queued=metrics.queued,
                last_execution_duration=from_duration(metrics, "last_execution_duration"),
                mean_execution_duration=from_duration(metrics, "mean_execution_duration"),
                p50_execution_duration=from_duration(metrics, "p50_execution_duration"),
                p99_execution_duration=from_duration(metrics, "p99_execution_duration"),
                last_used_time=from_timestamp(metrics, "last_used_time"),
                reproducible_count=metrics.reproducible_count,
                diverged_count=metrics.diverged_count,
                unverifiable_count=metrics.unverifiable_count,
                last_divergence=_divergence(metrics.last_divergence) if metrics.HasField("last_divergence") else None,
                cached_count=metrics.cached_count,
            ),
            code_digest=plugin.code_digest,
            deterministic=plugin.deterministic,
            cacheable=plugin.cacheable,
            caching_disabled_reason=plugin.caching_disabled_reason,
        )


def _divergence(divergence: plugins_pb2.Divergence) -> Divergence:
    return Divergence(divergence.job_id, divergence.path, from_timestamp(divergence, "time"))
