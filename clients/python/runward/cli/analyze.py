"""runward analyze: run a plugin on images and wait for the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.console import Group

from runward.cli.batch import Outcome, run_batch
from runward.cli.batch_view import batch_progress, outcome_form, summary_line, summary_table
from runward.cli.exit_code import worst
from runward.cli.job_view import error_view, result_view
from runward.cli.parameters import image_parameters
from runward.cli.session import Session, remote
from runward.cli.text import plain

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from runward.cli.exit_code import ExitCode
    from runward.client import Client
    from runward.job import Job


@click.command()
@image_parameters
@click.option("--quiet", "-q", is_flag=True, help="For several files, print the summary alone.")
@remote
async def analyze(
    rw: Client,
    session: Session,
    *,
    plugin: str,
    files: tuple[Path, ...],
    pairs: dict[str, Any],
    options_file: dict[str, Any],
    concurrency: int,
    quiet: bool,
    **run: Any,
) -> ExitCode:
    """Run PLUGIN on each FILE (a file, a directory of images, or a pattern) and wait for the results.

    A file that fails does not stop the others. Ctrl-C cancels what is running.
    """
    options = options_file | pairs
    several = len(files) > 1

    async def work(file: Path) -> Job:
        return await rw.analyze(plugin, file, options=options, **run)

    with batch_progress(session, plugin, len(files)) as advance:

        def done(outcome: Outcome) -> None:
            advance()
            if session.json_output or not several or not quiet:
                failed = outcome.error is not None
                session.show(outcome_form(outcome), lambda: _outcome_view(outcome, named=several), failed=failed)

        outcomes = await run_batch(files, work, done, concurrency=concurrency)
    if several and not session.json_output:
        session.out.print(summary_table(outcomes))
        session.out.print(summary_line(outcomes, "analysed"))
    return worst([outcome.exit_code for outcome in outcomes])


def _outcome_view(outcome: Outcome, *, named: bool) -> RenderableType:
    parts: list[RenderableType] = [plain(outcome.file, "bold underline")] if named else []
    if outcome.error is not None:
        parts.append(error_view(outcome.error))
    elif outcome.job is not None:
        parts.append(result_view(outcome.job))
    return Group(*parts)
