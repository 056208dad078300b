"""``make chaos``: epochs of load and disasters until the time is up. See run_epoch.

Exit status 0 when every invariant held; 1 at the first that did not, with the seed and the folder that was kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tests.chaos.disk import own_mounts
from tests.chaos.epoch import Account, run_epoch

SHOWN_PROBLEMS = 20
LEAST_SECONDS = 5.0


@click.command()
@click.option("--minutes", envvar="CHAOS_MINUTES", type=click.FloatRange(0.1), default=10.0, show_default=True)
@click.option("--seed", envvar="CHAOS_SEED", default="", help="Of the order of disasters and calls; random by default.")
@click.option("--epoch-seconds", type=click.FloatRange(1), default=45.0, show_default=True, help="Of disasters each.")
@click.option(
    "--servers",
    type=click.IntRange(0),
    default=0,
    help="Processes on one data folder; by default one and two in turns.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON at the end.")
def main(minutes: float, seed: str, epoch_seconds: float, servers: int, as_json: bool) -> None:
    """Run the server under load while everything around it goes wrong."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    console = Console(stderr=True, highlight=False)
    seed = seed or secrets.token_hex(4)
    try:
        own_mounts()
        own_disk = True
    except OSError as error:
        console.print(f"no disk of its own can be made here ({error}): it is not filled up")
        own_disk = False
    console.print(f"seed {seed}, {minutes:g} minutes")
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    total, epochs = Account(), 0
    end = time.monotonic() + 60 * minutes
    while not total.problems and (left := end - time.monotonic()) > LEAST_SECONDS:
        epochs += 1
        place = folder / str(epochs)
        count = servers or 1 + epochs % 2
        account = asyncio.run(run_epoch(place, f"{seed} {epochs}", min(epoch_seconds, left), count, own_disk=own_disk))
        total.add(account)
        struck, jobs = sum(account.disasters.values()), account.counts["jobs"]
        console.print(
            f"epoch {epochs}: {count} servers, {struck} disasters, {jobs} jobs, {len(account.problems)} problems"
        )
        if not account.problems:
            shutil.rmtree(place)
    again = f"python -m tests.chaos --seed {seed} --epoch-seconds {epoch_seconds:g} --servers {servers}"
    tell(console, total, seed, epochs, folder, again, as_json=as_json)
    if not total.problems:
        shutil.rmtree(folder)
    sys.exit(1 if total.problems else 0)


def tell(  # noqa: PLR0917 - what is told
    console: Console, total: Account, seed: str, epochs: int, folder: Path, again: str, *, as_json: bool
) -> None:
    """Print what there was; ``again`` is the command that strikes in the same order."""
    if as_json:
        form: dict[str, Any] = {"seed": seed, "epochs": epochs, "problems": total.problems}
        form |= {"disasters": dict(total.disasters), "counts": dict(total.counts)}
        click.echo(json.dumps(form, indent=2))
    else:
        table = Table("what", "count", title=f"chaos, seed {seed}, {epochs} epochs")
        for name, count in [*sorted(total.disasters.items()), *sorted(total.counts.items())]:
            table.add_row(name, str(count))
        Console().print(table)
    for problem in total.problems[:SHOWN_PROBLEMS]:
        console.print(f"broken: {problem}", markup=False)
    if total.problems:
        console.print(f"again: {again}; kept: {folder}", markup=False)


if __name__ == "__main__":
    main()
