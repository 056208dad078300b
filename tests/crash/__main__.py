"""``make crashes``: kills the service at every point of every life, and publishes what came of it.

Exit status 0 when all held everywhere; 1 otherwise.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

import click
from rich.console import Console

from tests.crash.lab import Lab
from tests.crash.lives import LIVES
from tests.crash.matrix import DOCUMENT, Tally, missed, render
from tests.crash.point import Case, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.crash.case import Result
    from tests.crash.lab import Job
    from tests.crash.life import Life

TELL_EVERY = 100
LOG_TAIL = 4000
LOG_LINES = 12


@click.command()
@click.option("--life", "names", multiple=True, metavar="NAME", help="This life. Repeat for more.")
@click.option("--case", "cases", multiple=True, metavar="CASE", help="This case, as a failure names it, with its log.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=(os.cpu_count() or 1) + 1,
    show_default="one more than there are processors",
    help="Cases at once.",
)
@click.option("--every-restart", is_flag=True, help="Start again after every kill.")
@click.option("--beside", is_flag=True, help="Kill one of two processes; the other one takes over.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice([kind.value for kind in Kind]),
    multiple=True,
    help="Points of this kind. Repeat for more.",
)
@click.option("--enumerate", "only_enumerate", is_flag=True, help="Find the points and kill nobody.")
@click.option("--write", is_flag=True, help="Publish what was run in docs/crash-matrix.md.")
@click.option("--keep", is_flag=True, help="Keep the folders of cases that failed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(  # noqa: PLR0917 - click passes each option by name
    names: tuple[str, ...],
    cases: tuple[str, ...],
    jobs: int,
    every_restart: bool,
    beside: bool,
    kinds: tuple[str, ...],
    only_enumerate: bool,
    write: bool,
    keep: bool,
    as_json: bool,
) -> None:
    """Kill the service, and its workers, at every point of every kind of life."""
    if write and (cases or beside or kinds):
        raise click.UsageError("--write publishes whole lives of a process alone")
    if unknown := set(names) - {life.name for life in LIVES}:
        raise click.UsageError(f"no life is named {sorted(unknown)}; there are {[life.name for life in LIVES]}")
    lives = [life for life in LIVES if (not names or life.name in names) and (life.beside or not beside)]
    wanted = frozenset(map(Kind, kinds or Kind))
    lab = Lab(jobs_at_once=jobs, every_restart=every_restart, keep=keep, beside=beside, kinds=wanted)
    try:
        chosen = [Case.parse(text) for text in cases]
        if only_enumerate:
            tallies = tally_all(lab, lives, lab.enumerate(lives))
        else:
            tallies = tally_all(lab, lives, lab.run_cases(chosen, lives) if chosen else lab.explore(lives))
    finally:
        lab.close()
    tell(tallies, with_logs=bool(cases), as_json=as_json)
    if write:
        before = DOCUMENT.read_text("utf-8") if DOCUMENT.exists() else ""
        DOCUMENT.write_text(render(LIVES, tallies, before), "utf-8")
    # Beside another process a point may not come again: what happened there may happen in the other one.
    elusive = [] if beside else missed(tallies.values())
    sys.exit(any(tally.problems for tally in tallies.values()) or bool(elusive))


def tally_all(lab: Lab, lives: Sequence[Life], results: Iterable[tuple[Job, Result]]) -> dict[str, Tally]:
    """Run all cases and tell every now and then how far that is."""
    console = Console(stderr=True, highlight=False)
    start = time.monotonic()
    tallies = {life.name: Tally() for life in lives}
    for number, (job, result) in enumerate(results, 1):
        tallies[job.life.name].add(job, result)
        if result.problems:
            console.print(f"{job.name}: {result.problems}", markup=False)
            console.print("\n".join(result.log.splitlines()[-LOG_LINES:]), markup=False)
        if number % TELL_EVERY == 0:
            console.print(f"{number} cases of {number + lab.waiting} so far, {time.monotonic() - start:.0f} s")
    return tallies


def tell(tallies: dict[str, Tally], *, with_logs: bool, as_json: bool) -> None:
    """Print what there was."""
    if as_json:
        lives = {name: tally.form() for name, tally in tallies.items()}
        click.echo(json.dumps({"lives": lives, "missed": missed(tallies.values())}, indent=2))
        return
    for tally in tallies.values():
        for case, problems, log in tally.problems:
            click.echo(f"broken: {case}: {'; '.join(problems)}")
            if with_logs:
                click.echo(log[-LOG_TAIL:])
    for point in missed(tallies.values()):
        click.echo(f"missed: {point}")
    points = sum(len(tally.points or tally.played) for tally in tallies.values())
    kills = sum(tally.kills.total() for tally in tallies.values())
    restarts = sum(tally.restarts for tally in tallies.values())
    broken = sum(len(tally.problems) for tally in tallies.values())
    click.echo(f"{len(tallies)} lives, {points} points, {kills} kills, {restarts} restarts, {broken} not green")


if __name__ == "__main__":
    main()
