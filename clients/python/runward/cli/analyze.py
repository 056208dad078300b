"""runward analyze: run a plugin on images and wait for the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.console import Group

from runward.cli.batch import Outcome, outcome_of, run_groups
from runward.cli.batch_view import batch_progress, outcome_form, summary_line, summary_table
from runward.cli.exit_code import worst
from runward.cli.job_view import error_view, result_view
from runward.cli.parameters import image_parameters, named_path
from runward.cli.session import Session, remote
from runward.cli.text import plain
from runward.errors import RunwardError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from runward.cli.exit_code import ExitCode
    from runward.client import Client


@click.command()
@image_parameters
@click.option(
    "--save-artifacts",
    "artifacts_dir",
    metavar="DIR",
    callback=named_path,
    help="Save the files that the runs give back to this directory.",
)
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
    artifacts_dir: Path | None,
    quiet: bool,
    **run: Any,
) -> ExitCode:
    """Run PLUGIN on each FILE (a file, a directory of images, or a pattern) and wait for the results.

    A file that fails does not stop the others. Ctrl-C cancels what is running.
    """
    options = options_file | pairs
    several = len(files) > 1
    prefixes = prefixes_of(files) if several else {}

    async def work(group: Sequence[Path]) -> list[Outcome]:
        file = group[0]
        outcome = await outcome_of(file, rw.analyze(plugin, file, options=options, **run))
        if artifacts_dir is None or outcome.job is None:
            return [outcome]
        return [await saved_outcome(rw, outcome, artifacts_dir, prefixes.get(file, ""))]

    with batch_progress(session, plugin, len(files)) as advance:

        def done(outcome: Outcome) -> None:
            advance()
            if session.json_output or not several or not quiet:
                failed = outcome.error is not None
                session.show(outcome_form(outcome), lambda: _outcome_view(outcome, named=several), failed=failed)

        outcomes = await run_groups([[file] for file in files], work, done, concurrency=concurrency)
    if several and not session.json_output:
        session.out.print(summary_table(outcomes))
        session.out.print(summary_line(outcomes, "analysed"))
    return worst([outcome.exit_code for outcome in outcomes])


def prefixes_of(files: Sequence[Path]) -> dict[Path, str]:
    """Give what each of several files' artifacts are named after: the file's own name, made unique by a number."""
    prefixes: dict[Path, str] = {}
    used: set[str] = set()
    for file in files:
        name, number = file.name, 1
        while name.lower() in used:
            number += 1
            name = f"{file.name}-{number}"
        used.add(name.lower())
        prefixes[file] = f"{name}."
    return prefixes


async def saved_outcome(rw: Client, outcome: Outcome, folder: Path, prefix: str) -> Outcome:
    """Save the artifacts of a file's job; where they cannot be, that is what came of the file."""
    assert outcome.job is not None
    try:
        saved = await rw.save_artifacts(outcome.job, folder, prefix=prefix)
    except RunwardError as refusal:
        refusal.job_id = refusal.job_id or outcome.job.id
        return Outcome(outcome.file, error=refusal)
    except OSError as problem:
        message = f"cannot save artifacts in {folder}: {problem.strerror or problem}"
        error = ValidationError(message, reason="ARTIFACT_NOT_SAVED", job_id=outcome.job.id)
        return Outcome(outcome.file, error=error)
    return Outcome(outcome.file, job=outcome.job, saved=tuple(saved))


def _outcome_view(outcome: Outcome, *, named: bool) -> RenderableType:
    parts: list[RenderableType] = [plain(outcome.file, "bold underline")] if named else []
    if outcome.error is not None:
        parts.append(error_view(outcome.error))
    elif outcome.job is not None:
        parts.append(result_view(outcome.job))
        parts += [plain(f"saved {path}", "dim") for path in outcome.saved]
    return Group(*parts)
