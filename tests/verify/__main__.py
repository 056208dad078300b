"""``make verify``: runs the built-in plugins on real and generated pictures, and verifies every job.

Exit status 0 when every job was REPRODUCIBLE, 1 otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import runward
from tests.programs.server_process import ServerProcess
from tests.verify.check import REPRODUCIBLE, Check, check_all
from tests.verify.pictures import pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

PLUGINS = ("image_info", "barcode", "ocr")
TELL_EVERY = 20


@click.command()
@click.option("--plugin", "plugins", multiple=True, type=click.Choice(PLUGINS), help="This one. Repeat for more.")
@click.option("--pictures", "count", type=click.IntRange(2), default=200, show_default=True, help="For each plugin.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other pieces, other drawn pictures.")
@click.option("--at-once", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="the processors")
@click.option("--json", "as_json", is_flag=True, help="Print every check as JSON.")
def main(plugins: tuple[str, ...], count: int, seed: int, at_once: int, as_json: bool) -> None:
    """Run pictures, verify their jobs."""
    start = time.monotonic()
    with ServerProcess("--workers", str(at_once)) as server:
        checks = asyncio.run(checked(server.address, plugins or PLUGINS, count, seed, at_once))
        server.stop()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in checks], indent=2))
    else:
        show(checks, time.monotonic() - start)
    sys.exit(any(one.verdict != REPRODUCIBLE for one in checks))


async def checked(address: str, plugins: Sequence[str], count: int, seed: int, at_once: int) -> list[Check]:
    """All checks, with their progress shown: live on a terminal, now and then elsewhere."""
    console = Console(stderr=True, highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    chosen = pictures(count, seed)
    verdicts: Counter[str] = Counter()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("verify", total=len(plugins) * len(chosen))

        def tell(one: Check) -> None:
            verdicts[one.verdict] += 1
            progress.update(task, advance=1, description=one.plugin)
            if one.verdict != REPRODUCIBLE:
                console.print(f"{one.plugin} on {one.picture}: {one.verdict} {one.told}")
            if not console.is_terminal and verdicts.total() % TELL_EVERY == 0:
                console.print(f"{verdicts.total()} of {len(plugins) * len(chosen)}: {dict(verdicts)}")

        async with runward.connect(address) as rw:
            return await check_all(rw, plugins, chosen, at_once, tell)


def show(checks: Sequence[Check], seconds: float) -> None:
    """A row for each plugin: pictures, ends, verdicts (REPRODUCIBLE or another), mean times."""
    table = Table(title=f"{len(checks)} jobs verified in {seconds:.0f} s")
    for name in ("plugin", "real", "generated", "SUCCESS", "FAILED", "same", "other"):
        table.add_column(name, justify="left" if name == "plugin" else "right")
    table.add_column("run", justify="right")
    table.add_column("verification", justify="right")
    for plugin in dict.fromkeys(one.plugin for one in checks):
        own = [one for one in checks if one.plugin == plugin]
        kinds = Counter(one.kind for one in own)
        succeeded = sum(one.end == "SUCCESS" for one in own)
        good = sum(one.verdict == REPRODUCIBLE for one in own)
        times = (
            f"{sum(getattr(one, name) for one in own) / len(own):.2f} s" for name in ("run_seconds", "verify_seconds")
        )
        numbers = (kinds["real"], kinds["generated"], succeeded, len(own) - succeeded, good, len(own) - good)
        table.add_row(plugin, *map(str, numbers), *times)
    Console().print(table)


if __name__ == "__main__":
    main()
