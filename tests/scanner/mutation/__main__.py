"""``make matrix``: judges every mutant of the service, and publishes what became of them.

Exit status 0 when every mutant was killed and no clean change was found; 1 otherwise; 2 when nothing can be measured.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import track

from tests.scanner.mutation.clean_operators import CLEAN_OPERATORS
from tests.scanner.mutation.draft import LostSiteError
from tests.scanner.mutation.matrix import DOCUMENT, render, tally
from tests.scanner.mutation.measuring import DirtyServiceError, all_mutants, measure
from tests.scanner.mutation.operators import OPERATORS
from tests.scanner.mutation.service_source import read_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.scanner.mutation.mutant import Mutant
    from tests.scanner.mutation.service_source import ServiceSource
    from tests.scanner.mutation.verdict import Verdict

NAMES = [operator.name for operator in (*OPERATORS, *CLEAN_OPERATORS)]
UNUSABLE = 2


def judged(source: ServiceSource, mutants: Sequence[Mutant], jobs: int) -> list[Verdict]:
    """Judge mutants and show how far that is, live on a terminal and every now and then elsewhere."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        steps = track(measure(source, mutants, jobs), "mutants", len(mutants), console=console)
        return list(steps)
    verdicts = []
    for verdict in measure(source, mutants, jobs):
        verdicts.append(verdict)
        if len(verdicts) % 50 == 0:
            console.print(f"{len(verdicts)} of {len(mutants)} mutants")
    return verdicts


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict for a program."""
    mutant = verdict.mutant
    return {
        "operator": mutant.operator,
        "site": mutant.site,
        "expected_rule": mutant.rule or None,
        "rules": list(verdict.rules),
        "killed_by_scanner": verdict.by_scanner,
        "killed_by_guard": verdict.guard,
        "files": sorted(mutant.files),
    }


def tell(verdicts: Sequence[Verdict]) -> None:
    """Print the totals, and the names of those that got through."""
    broken = [verdict for verdict in verdicts if verdict.mutant.rule]
    clean = [verdict for verdict in verdicts if not verdict.mutant.rule]
    total = tally(broken)
    for verdict in broken:
        if not verdict.killed:
            click.echo(f"survived: {verdict.mutant.name} ({verdict.mutant.rule})")
    for verdict in clean:
        if verdict.rules:
            click.echo(f"false alarm: {verdict.mutant.name} ({', '.join(verdict.rules)})")
    killed = f"{total.by_scanner} killed by the scanner ({total.share(total.by_scanner)})"
    click.echo(f"{total.mutants} mutants: {killed}, guard {total.guard}, {total.mutants - total.killed} survivors")
    click.echo(f"{len(clean)} clean changes: {tally(clean).by_scanner} false alarms")


@click.command()
@click.option(
    "--only", "names", multiple=True, type=click.Choice(NAMES), metavar="OPERATOR", help="This one. Repeat for more."
)
@click.option("--json", "want_json", is_flag=True, help="Print JSON.")
@click.option("--write", is_flag=True, help="Publish the matrix in docs/scanner-matrix.md.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes that scan at once.")
def main(names: tuple[str, ...], want_json: bool, write: bool, jobs: int) -> None:
    """Break the rules in copies of the service, and see what notices."""
    if write and names:
        raise click.UsageError("--write publishes the whole matrix; it does not go with --only")
    source = read_service()
    try:
        verdicts = judged(source, all_mutants(source, names), jobs)
    except (DirtyServiceError, LostSiteError) as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(UNUSABLE)
    if write:
        DOCUMENT.write_text(render(verdicts, source), "utf-8")
    if want_json:
        click.echo(json.dumps([as_json(verdict) for verdict in verdicts], indent=2))
    else:
        tell(verdicts)
    sys.exit(any(bool(verdict.mutant.rule) != verdict.killed for verdict in verdicts))


if __name__ == "__main__":
    main()
