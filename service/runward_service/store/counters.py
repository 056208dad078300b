"""Counters of finished jobs, added up over a batch and written in its transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runward_service.store.histogram import bucket_of
from runward_service.store.row_statements import by_chunk
from runward_service.store.statements import statements

if TYPE_CHECKING:
    import sqlite3

    from runward_service.domain.outcome import Outcome


@dataclass(slots=True)
class PluginDeltas:
    """What one plugin's finishes of a batch add."""

    success_count: int = 0
    error_count: int = 0
    run_count: int = 0
    total_duration_us: int = 0
    last_duration_us: int = 0
    last_used_time_us: int = 0
    cached_count: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    def copy(self) -> PluginDeltas:
        """A copy that later additions do not reach."""
        return PluginDeltas(
            self.success_count,
            self.error_count,
            self.run_count,
            self.total_duration_us,
            self.last_duration_us,
            self.last_used_time_us,
            self.cached_count,
            dict(self.buckets),
        )


class CounterDeltas:
    """The deltas of one transaction, by plugin."""

    def __init__(self, plugins: dict[str, PluginDeltas] | None = None) -> None:
        """Start with none, or with given ones."""
        self._plugins = plugins or {}

    def copy(self) -> CounterDeltas:
        """A copy that later additions do not reach."""
        return CounterDeltas({name: deltas.copy() for name, deltas in self._plugins.items()})

    def add(self, outcome: Outcome) -> None:
        """Count one finish."""
        deltas = self._plugins.setdefault(outcome.plugin, PluginDeltas())
        if outcome.envelope is None:
            deltas.success_count += 1
            deltas.cached_count += outcome.cached
        else:
            deltas.error_count += 1
        if outcome.ran:
            deltas.run_count += 1
            deltas.total_duration_us += outcome.duration_us
            deltas.last_duration_us = outcome.duration_us
            deltas.last_used_time_us = max(deltas.last_used_time_us, outcome.end_time_us)
            bucket = bucket_of(outcome.duration_us)
            deltas.buckets[bucket] = deltas.buckets.get(bucket, 0) + 1

    def write(self, connection: sqlite3.Connection) -> None:
        """Add the deltas to the stored counters, in the connection's open transaction."""
        sql = statements("job_store.sql")
        for plugin, deltas in self._plugins.items():
            connection.execute(
                sql["add_counters"],
                (
                    plugin,
                    deltas.success_count,
                    deltas.error_count,
                    deltas.run_count,
                    deltas.total_duration_us,
                    deltas.last_duration_us,
                    deltas.last_used_time_us,
                    deltas.cached_count,
                ),
            )
        durations = [
            (plugin, bucket, count)
            for plugin, deltas in self._plugins.items()
            for bucket, count in deltas.buckets.items()
        ]
        for text, parameters, _ in by_chunk("job_store.sql", "add_durations", durations):
            connection.execute(text, parameters)
