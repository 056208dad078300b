"""runward jobs: look at jobs, follow them, end them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from runward.cli.exit_code import ExitCode
from runward.cli.following import follower, show_updates
from runward.cli.job_view import job_view, jobs_table
from runward.cli.json_form import json_form
from runward.cli.parameters import local_time, named_path, parse_pairs
from runward.cli.session import Session, remote
from runward.cli.text import plain
from runward.enums import JobStatus
from runward.errors import ValidationError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from runward.client import Client

STATUS_OPTION = click.option(
    "--status",
    "statuses",
    type=click.Choice([str(status) for status in JobStatus], case_sensitive=False),
    multiple=True,
    help="Jobs in this status. Repeatable.",
)
LABEL_OPTION = click.option(
    "--label",
    "labels",
    metavar="KEY=VALUE",
    multiple=True,
    callback=parse_pairs,
    help="Jobs with this label. Repeatable.",
)


@click.group()
def jobs() -> None:
    """Look at jobs, follow them, end them."""


@jobs.command("list")
@click.option("--plugin", default="", help="Jobs of this plugin.")
@STATUS_OPTION
@LABEL_OPTION
@click.option(
    "--from", "create_time_from", metavar="TIME", callback=local_time, help="Jobs created at this local time or later."
)
@click.option(
    "--before", "create_time_before", metavar="TIME", callback=local_time, help="Jobs created before this local time."
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at the most.")
@remote
async def list_jobs(
    rw: Client,
    session: Session,
    *,
    plugin: str,
    statuses: tuple[str, ...],
    labels: dict[str, str],
    create_time_from: datetime | None,
    create_time_before: datetime | None,
    limit: int,
) -> None:
    """List jobs, newest first. All filters given must fit."""
    found = []
    pages = rw.list(
        plugin=plugin,
        statuses=statuses,
        labels=labels,
        create_time_from=create_time_from,
        create_time_before=create_time_before,
        page_size=min(limit, 1000),
    )
    async for job in pages:
        found.append(job)
        if len(found) == limit:
            break
    session.show({"jobs": json_form(found)}, lambda: jobs_table(found) if found else "no jobs")


@jobs.command("get")
@click.argument("job_id", metavar="JOB")
@remote
async def get_job(rw: Client, session: Session, *, job_id: str) -> None:
    """Show one job with its result or its error. A job that failed is no failure of this command."""
    job = await rw.get(job_id)
    session.show(json_form(job), lambda: job_view(job))


@jobs.command("watch")
@click.argument("job_id", metavar="[JOB]", required=False)
@click.option("--plugin", default="", help="Jobs of this plugin.")
@STATUS_OPTION
@LABEL_OPTION
@click.option(
    "--after-revision",
    type=int,
    help="Only changes after this revision; 0: all that the server has kept (default for one job); -1: only what comes "
    "(default for all jobs).",
)
@remote
async def watch(
    rw: Client,
    session: Session,
    *,
    job_id: str | None,
    plugin: str,
    statuses: tuple[str, ...],
    labels: dict[str, str],
    after_revision: int | None,
) -> ExitCode:
    """Follow one job live until it has ended, or without a job the changes of all jobs that fit the filters.

    Ctrl-C ends the watching, not the jobs.
    """
    if job_id is None:
        start = -1 if after_revision is None else after_revision
        updates = rw.watch_jobs(plugin=plugin, statuses=statuses, labels=labels, after_revision=start)
        return await show_updates(session, updates)
    if plugin or statuses or labels:
        raise click.UsageError("--plugin, --status and --label are for watching all jobs; leave JOB out.")
    with follower(session) as following:
        job = await following.follow(rw, job_id, job_id, after_revision=after_revision or 0)
    if job is not None and not session.json_output:
        session.out.print(job_view(job))
    return ExitCode.REFUSED if job is not None and job.status is JobStatus.FAILED else ExitCode.DONE


@jobs.command("cancel")
@click.argument("job_id", metavar="JOB")
@remote
async def cancel_job(rw: Client, session: Session, *, job_id: str) -> None:
    """End a job as FAILED with CANCELLED; one that has ended already is shown as it is."""
    job = await rw.cancel(job_id)
    session.show(json_form(job), lambda: job_view(job))


@jobs.command("retry")
@click.argument("job_id", metavar="JOB")
@click.option("--request-id", metavar="ID", help="The same retry again with this id gives the same new job.")
@remote
async def retry_job(rw: Client, session: Session, *, job_id: str, request_id: str | None) -> None:
    """Make a new job from a FAILED job's stored input. The failed job stays as it is."""
    job = await rw.retry(job_id, request_id=request_id)
    session.show(json_form(job), lambda: job_view(job))
    session.note(f"follow it with: runward jobs watch {job.id}")


@jobs.command("save-artifacts")
@click.argument("job_id", metavar="JOB")
@click.argument("folder", metavar="DIR", callback=named_path)
@remote
async def save_artifacts(rw: Client, session: Session, *, job_id: str, folder: Path) -> None:
    """Save the files that a job's run gave back to the directory DIR."""
    try:
        saved = await rw.save_artifacts(await rw.get(job_id), folder)
    except OSError as problem:
        message = f"cannot save artifacts in {folder}: {problem.strerror or problem}"
        raise ValidationError(message, reason="ARTIFACT_NOT_SAVED", job_id=job_id) from None
    paths = [str(path) for path in saved]
    session.show({"job_id": job_id, "saved": paths}, lambda: plain("\n".join(paths) or "the job has no artifacts"))


@jobs.command("delete")
@click.argument("job_id", metavar="JOB")
@remote
async def delete_job(rw: Client, session: Session, *, job_id: str) -> None:
    """Erase a finished job from the server's files, with its image unless another job has the same one."""
    await rw.delete(job_id)
    session.show({"job_id": job_id}, lambda: Text(f"deleted {job_id}"))
