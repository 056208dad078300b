"""The outcomes of many files: as they come, and in sum."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from runward.cli.job_view import outcome_gist
from runward.cli.json_form import error_form, json_form
from runward.cli.text import plain, short, span, status_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runward.cli.batch import Outcome
    from runward.cli.session import Session


def outcome_form(outcome: Outcome) -> dict[str, Any]:
    """Give the machine's form of an outcome: the file's name with the job, or with the error envelope."""
    file = {"file": str(outcome.file)}
    if outcome.error is not None:
        return file | error_form(outcome.error)
    form: dict[str, Any] = json_form(outcome.job)
    if outcome.saved:
        form["saved"] = [str(path) for path in outcome.saved]
    return file | form


@contextmanager
def batch_progress(session: Session, title: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr and give what moves it on; nothing is shown where stderr is no terminal, or with --json."""
    if not session.live:
        yield lambda: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=session.err, transient=True) as progress:
        task = progress.add_task(plain(title).plain, total=total)
        yield lambda: progress.advance(task)


def summary_table(outcomes: Sequence[Outcome]) -> Table:
    """Render one row for each file."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("job", no_wrap=True)
    table.add_column("outcome", overflow="fold")
    for outcome in outcomes:
        job, error = outcome.job, outcome.error
        if error is not None:
            gist = f"{error.reason}: {short(error.message)}"
            table.add_row(plain(outcome.file), status_text("REFUSED"), "", plain(error.job_id), plain(gist))
        elif job is not None:
            took = job.end_time - job.start_time if job.end_time and job.start_time else None
            gist = outcome_gist(job)
            table.add_row(plain(outcome.file), status_text(job.status), span(took), plain(job.id), plain(gist))
    return table


def summary_line(outcomes: Sequence[Outcome], verb: str) -> Text:
    """Render how many files went well."""
    good = sum(1 for outcome in outcomes if outcome.exit_code == 0)
    bad = len(outcomes) - good
    line = Text(f"{good} {verb}")
    if bad:
        line.append(f", {bad} failed", style="bold red")
    return line
