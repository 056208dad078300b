"""runward submit: store jobs, and follow them on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runward.cli.batch import Outcome, made_outcome, outcome_of, run_batch, run_groups
from runward.cli.batch_view import batch_progress, outcome_form, summary_line, summary_table
from runward.cli.exit_code import ExitCode, worst
from runward.cli.following import follower
from runward.cli.job_view import error_view, job_view
from runward.cli.parameters import image_parameters
from runward.cli.session import Session, remote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runward.client import Client
    from runward.job import Job

GROUP = 100
"""How many files go with one call."""


@click.command()
@image_parameters
@click.option(
    "--queue-timeout", type=float, metavar="SECONDS", help="The longest wait for a worker (default: no limit)."
)
@click.option("--priority", type=int, default=0, show_default=True, help="Higher runs earlier; from -1000 to 1000.")
@click.option("--watch", is_flag=True, help="Follow the jobs live until they have ended.")
@remote
async def submit(
    rw: Client,
    session: Session,
    *,
    plugin: str,
    files: tuple[Path, ...],
    pairs: dict[str, Any],
    options_file: dict[str, Any],
    concurrency: int,
    watch: bool,
    **run: Any,
) -> ExitCode:
    """Store a job of PLUGIN for each FILE (a file, a directory of images, or a pattern).

    Once stored, a job survives a crash of the server. Ctrl-C under --watch ends the watching, not the jobs.
    """
    options = options_file | pairs

    async def work(several: Sequence[Path]) -> list[Outcome]:
        if len(files) == 1:
            return [await outcome_of(files[0], rw.submit(plugin, files[0], options=options, **run))]
        answers = await rw.submit_many(plugin, several, options=options, **run)
        return [made_outcome(file, answer) for file, answer in zip(several, answers, strict=True)]

    with batch_progress(session, f"submit {plugin}", len(files)) as advance:

        def done(outcome: Outcome) -> None:
            advance()
            if outcome.error is not None or not watch:
                _show(session, outcome, alone=len(files) == 1)

        groups = [files[start : start + GROUP] for start in range(0, len(files), GROUP)]
        outcomes = await run_groups(groups, work, done, concurrency=concurrency)
    if watch:
        outcomes = await _follow(rw, session, outcomes)
    if len(files) > 1 and not session.json_output:
        session.out.print(summary_table(outcomes))
        session.out.print(summary_line(outcomes, "ended SUCCESS" if watch else "submitted"))
    return worst([outcome.exit_code for outcome in outcomes])


def _show(session: Session, outcome: Outcome, *, alone: bool) -> None:
    """Print one outcome; for a person, several come as one table at the end."""
    if not (alone or session.json_output):
        return

    if outcome.job is not None:
        job = outcome.job
        session.show(outcome_form(outcome), lambda: job_view(job))
        session.note(f"follow it with: runward jobs watch {job.id}")
    elif outcome.error is not None:
        error = outcome.error
        session.show(outcome_form(outcome), lambda: error_view(error), failed=True)


async def _follow(rw: Client, session: Session, submitted: list[Outcome]) -> list[Outcome]:
    """Watch all the jobs at once, and give their outcomes in the same order."""
    jobs = {outcome.file: outcome.job for outcome in submitted if outcome.job is not None}
    with follower(session) as following:

        async def work(file: Path) -> Job:
            job = jobs[file]
            return await following.follow(rw, job.id, str(file)) or job

        ended = await run_batch(list(jobs), work, lambda _: None, concurrency=len(jobs))
    if len(submitted) == 1 and ended and ended[0].job is not None and not session.json_output:
        session.out.print(job_view(ended[0].job))
    by_file = {outcome.file: outcome for outcome in ended}
    return [by_file.get(outcome.file, outcome) for outcome in submitted]
