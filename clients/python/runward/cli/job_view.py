"""Jobs as a person reads them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from runward.cli.text import brief, clock, plain, short, size, span, status_text
from runward.cli.value_view import fields_view, value_view
from runward.enums import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from runward.errors import ErrorInfo, RunwardError
    from runward.job import Job


def job_view(job: Job) -> RenderableType:
    """Render one job with its result or its error."""
    parts: list[RenderableType] = [_head(job), Padding(fields_view(_facts(job)), (0, 0, 0, 2), expand=False)]
    if job.error is not None:
        parts.append(Padding(error_view(job.error), (1, 0, 0, 2), expand=False))
    if job.result is not None:
        parts.append(Padding(value_view(job.result), (1, 0, 0, 2), expand=False))
    return Group(*parts)


def result_view(job: Job) -> RenderableType:
    """Render what came of an Analyze: one line on the job, then its result."""
    return Group(_head(job), Padding(value_view(job.result or {}), (1, 0, 1, 2), expand=False))


def update_line(job: Job) -> Text:
    """Render one change of a job on one line."""
    line = Text.assemble((f"{_change_time(job):%H:%M:%S}  ", "dim"), status_text(job.status))
    if job.attempt > 1:
        line.append(f"  attempt {job.attempt}")
    if progress := _progress(job):
        line.append(plain(f"  {progress}"))
    if job.error is not None:
        line.append(plain(f"  {job.error.reason}: {short(job.error.message, 200)}"))
    return line


def _change_time(job: Job) -> datetime:
    """Give the local time of a change; of progress, which is not told with its own, the present one."""
    if job.status is JobStatus.RUNNING:
        time = None if job.progress and job.progress.fraction else job.start_time
    else:
        time = job.end_time if job.status.terminal else job.create_time
    return time.astimezone() if time else datetime.now().astimezone()


def job_line(job: Job) -> Text:
    """Render one change of one of many jobs on one line."""
    return plain(f"{job.id}  {job.plugin}  ") + update_line(job)


def jobs_table(jobs: Iterable[Job]) -> Table:
    """Render a list of jobs."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("job", no_wrap=True)
    for name in ("plugin", "status", "created"):
        table.add_column(name, no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    for name in ("image", "labels", "error"):
        table.add_column(name, overflow="fold")
    for job in jobs:
        table.add_row(
            plain(job.id),
            plain(job.plugin),
            status_text(job.status),
            clock(job.create_time),
            span(_took(job)),
            plain(f"{job.payload.mime_type} {size(job.payload.size_bytes)}"),
            plain(" ".join(f"{key}={value}" for key, value in sorted(job.labels.items()))),
            plain(job.error.reason if job.error else ""),
        )
    return table


def error_view(error: ErrorInfo | RunwardError) -> RenderableType:
    """Render an error: its type and reason, the message, and the details."""
    kind = error.type if hasattr(error, "type") else error.type_name
    head = Text.assemble((kind, "bold red"), " ", (error.reason, "red"))
    parts: list[RenderableType] = [head, plain(error.message)]
    if error.details:
        parts.append(Padding(fields_view(error.details), (0, 0, 0, 2), expand=False))
    return Group(*parts)


def outcome_gist(job: Job) -> str:
    """Give what came of a job in a few words, for the last column of a summary."""
    return f"{job.error.reason}: {short(job.error.message)}" if job.error else brief(job.result)


def _head(job: Job) -> Text:
    took = _took(job)
    parts: list[Any] = [plain(job.plugin, "bold"), " ", status_text(job.status), ("  job ", "dim"), plain(job.id)]
    if took is not None:
        parts.append((f"  {span(took)}", "dim"))
    if job.cached:
        parts.append(("  cached", "dim"))
    return Text.assemble(*parts)


def _facts(job: Job) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "plugin version": job.plugin_version,
        "image": f"{job.payload.mime_type}, {size(job.payload.size_bytes)}, {job.payload.image_digest}",
        "options": job.payload.options,
        "labels": job.labels,
        "request id": job.request_id,
        "priority": job.priority,
        "created": clock(job.create_time),
        "started": clock(job.start_time),
        "ended": clock(job.end_time),
        "attempt": job.attempt,
        "retry of": job.retry_of,
        "kept for": span(job.retention),
        "progress": _progress(job),
        "artifacts": [
            {"name": a.name, "size": size(a.size_bytes), "type": a.mime_type, "digest": a.digest} for a in job.artifacts
        ],
    }
    return {name: value for name, value in facts.items() if value}


def _took(job: Job) -> timedelta | None:
    return job.end_time - job.start_time if job.start_time and job.end_time else None


def _progress(job: Job) -> str:
    """Give how far a job is that still runs; empty for one that has ended, whatever it said last."""
    if job.progress is None or job.status.terminal:
        return ""
    return f"{job.progress.fraction:.0%} {job.progress.message}"
