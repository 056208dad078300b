"""``make erasure``: deletes 50,000 jobs at random while others are made, and looks for pieces of their images.

Exit status 0 when none was found, and none lay where SQLite could leave it, 1 otherwise.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.erasure.deletions import Figures, delete_at_random

TELL_EVERY = 5_000


@click.command()
@click.option("--deletions", type=click.IntRange(1), default=50_000, show_default=True, help="Of jobs.")
@click.option(
    "--living", type=click.IntRange(1), default=1_000, show_default=True, help="About so many jobs are there."
)
@click.option("--seed", type=int, default=lambda: int(time.time()), show_default="the time", help="Repeats a run.")
@click.option("--folder", type=click.Path(path_type=Path), help="For the data  [default: one for temporary files]")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(deletions: int, living: int, seed: int, folder: Path | None, as_json: bool) -> None:
    """Delete jobs, look for their images."""
    console = Console(stderr=True, highlight=False)
    console.print(f"seed {seed}")
    start = time.monotonic()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with (
        tempfile.TemporaryDirectory(prefix="runward-erasure-", dir=folder) as data,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("deletions", total=deletions)
        told = 0

        def tell(figures: Figures) -> None:
            nonlocal told
            progress.update(task, completed=figures.deleted_jobs)
            if not console.is_terminal and figures.deleted_jobs - told >= TELL_EVERY:
                told = figures.deleted_jobs
                console.print(f"{told} of {deletions}: {len(figures.images_left)} images left a piece")

        figures = asyncio.run(delete_at_random(Path(data) / "data", deletions, living, Random(seed), tell))
    found = numbers(figures, seed, time.monotonic() - start)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        show(found)
    sys.exit(not figures.good)


def numbers(figures: Figures, seed: int, seconds: float) -> dict[str, Any]:
    """The figures as they are told."""
    return {
        "seed": seed,
        "deleted_jobs": figures.deleted_jobs,
        "erased_images": figures.erased_images,
        "searches": figures.searches,
        "searched_bytes": figures.searched_bytes,
        "images_left": len(figures.images_left),
        "images_missing": len(figures.images_missing),
        "pieces_in_leaves": figures.pieces_in_leaves,
        "results_left": len(figures.results_left),
        "seconds": round(seconds, 1),
    }


def show(found: dict[str, Any]) -> None:
    """A row for each figure."""
    rows = {
        "jobs deleted": "deleted_jobs",
        "images erased": "erased_images",
        "searches of the database and its log": "searches",
        "bytes searched": "searched_bytes",
        "erased images of which a piece was left": "images_left",
        "images of jobs that the search missed": "images_missing",
        "pieces of images in leaf pages": "pieces_in_leaves",
        "deleted results of which a piece was left": "results_left",
    }
    table = Table(title=f"seed {found['seed']}, {found['seconds']:.0f} s", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, key in rows.items():
        table.add_row(name, f"{found[key]:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
