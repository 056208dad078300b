"""Plugins and the server as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from runward.cli.text import clock, plain, size, span, status_text
from runward.cli.value_view import fields_view

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runward.plugin import Plugin, PluginMetrics
    from runward.server import ServerInfo


def plugins_table(plugins: Iterable[Plugin]) -> Table:
    """Render a list of plugins."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("plugin", style="bold", no_wrap=True)
    for name in ("version", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("success", "errors", "queued", "p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("description", overflow="fold")
    for plugin in plugins:
        metrics = plugin.metrics
        table.add_row(
            plain(plugin.name),
            plain(plugin.version),
            status_text(plugin.state),
            str(metrics.success_count),
            str(metrics.error_count),
            str(metrics.queued),
            span(metrics.p50_execution_duration),
            span(metrics.p99_execution_duration),
            plain(plugin.state_reason or plugin.description),
        )
    return table


def plugin_view(plugin: Plugin) -> RenderableType:
    """Render one plugin, with its options."""
    limits, metrics = plugin.limits, plugin.metrics
    head = Text.assemble(plain(plugin.name, "bold"), " ", plain(plugin.version), " ", status_text(plugin.state))
    facts: dict[str, Any] = {
        "state reason": plugin.state_reason,
        "takes": list(plugin.mime_types),
        "limits": f"{span(limits.timeout)}, {size(limits.memory_bytes)}, {limits.concurrency} at once, "
        f"{limits.max_attempts} attempts",
        "runs": f"{metrics.success_count} success ({metrics.cached_count} cached), {metrics.error_count} errors, "
        f"{metrics.in_flight} in flight, "
        f"{metrics.queued} queued",
        "durations": ", ".join(
            f"{name} {span(time)}"
            for name, time in (
                ("last", metrics.last_execution_duration),
                ("mean", metrics.mean_execution_duration),
                ("p50", metrics.p50_execution_duration),
                ("p99", metrics.p99_execution_duration),
            )
            if time
        ),
        "last used": clock(metrics.last_used_time),
        "verified": _verified(metrics),
        "code digest": plugin.code_digest,
        "repeatable": ("yes, and cacheable" if plugin.cacheable else "yes") if plugin.deterministic else "no",
        "caching is off": plugin.caching_disabled_reason,
        "options": _options(plugin.options_schema),
    }
    shown = fields_view({name: value for name, value in facts.items() if value})
    return Group(head, plain(plugin.description), Padding(shown, (0, 0, 0, 2), expand=False))


def _verified(metrics: PluginMetrics) -> str:
    counts = (metrics.reproducible_count, metrics.diverged_count, metrics.unverifiable_count)
    if not any(counts):
        return ""
    text = "{} reproducible, {} diverged, {} unverifiable".format(*counts)
    if (last := metrics.last_divergence) is not None:
        text += f"; last at {last.path or '(removed)'} of {last.job_id}, {clock(last.time)}"
    return text


def server_view(info: ServerInfo, target: str) -> RenderableType:
    """Render what a server tells of itself."""
    return fields_view(
        {
            "server": target,
            "version": info.version,
            "api": info.api,
            "started": clock(info.start_time),
            "owner id": info.owner_id,
            "runs at once": info.worker_limit,
            "largest image": size(info.max_image_bytes),
            "largest result": size(info.max_result_bytes),
            "jobs kept for": span(info.retention),
            "jobs kept": info.retained_jobs or "any number",
            "longest retention": span(info.max_retention),
        }
    )


def _options(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Give one row for each property of an options schema."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    return [
        {
            "option": name,
            "type": rule.get("type", rule.get("enum", "")),
            "default": rule.get("default"),
            "description": rule.get("description", ""),
        }
        for name, rule in properties.items()
        if isinstance(rule, dict)
    ]
