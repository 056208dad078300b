"""What the server keeps: its plugins, its jobs, its counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from runward.cli.text import span, status_text
from tests.demo.board import run_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward import Job, Plugin


def plugins_table(plugins: Sequence[Plugin]) -> Table:
    """Show the plugins and what they do."""
    table = _table()
    table.add_column("plugin", style="bold", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("what it tells")
    for plugin in plugins:
        table.add_row(f"{plugin.name} {plugin.version}", status_text(plugin.state), plugin.description)
    return table


def jobs_table(jobs: Sequence[Job]) -> Table:
    """Show jobs, each with its status and what came of it."""
    table = _table()
    table.add_column("job", no_wrap=True, style="dim")
    table.add_column("plugin", no_wrap=True, min_width=10)
    table.add_column("status", no_wrap=True, min_width=7)
    table.add_column("ran", justify="right", no_wrap=True, min_width=6)
    table.add_column("labels or error", overflow="ellipsis", no_wrap=True)
    for job in jobs:
        labels = " ".join(f"{key}={value}" for key, value in job.labels.items())
        outcome = f"{job.error.reason}: {job.error.message}" if job.error else labels
        table.add_row(f"…{job.id[-8:]}", job.plugin, status_text(job.status), run_time(job), Text(outcome))
    return table


def metrics_table(plugins: Sequence[Plugin]) -> Table:
    """Show how each plugin has done so far."""
    table = _table()
    table.add_column("plugin", style="bold", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in ("success", "error", "mean", "p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for plugin in plugins:
        m = plugin.metrics
        times = (m.mean_execution_duration, m.p50_execution_duration, m.p99_execution_duration)
        counts = (str(m.success_count), str(m.error_count))
        table.add_row(plugin.name, status_text(plugin.state), *counts, *map(span, times))
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=True, padding=(0, 1))
