"""`make bench`: measures, and tells which targets are met.

Exit status 0 when all are; 1 when one is missed, or the measured server left out what it has to do; 130 on Ctrl-C.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console
from rich.text import Text

import runward
from tests.bench.batch import BatchError
from tests.bench.caching import CachingError
from tests.bench.child_program import LoadError
from tests.bench.honesty import DishonestError
from tests.bench.jobs import JobsError
from tests.bench.meter import UnansweredError
from tests.bench.overload import OverloadError
from tests.bench.publishing import publish
from tests.bench.report import machine, machine_text, table
from tests.bench.run import MEASURES, USUAL, Run
from tests.bench.scale import FULL, QUICK
from tests.bench.scanning import ScanningError
from tests.bench.spinning import SpinningError
from tests.programs.server_process import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

INTERRUPTED = 130
WIDTH = 140
PROBLEMS = (
    DishonestError,
    UnansweredError,
    LoadError,
    ServerError,
    JobsError,
    BatchError,
    CachingError,
    OverloadError,
    SpinningError,
    ScanningError,
    runward.RunwardError,
)


def stop_now(_number: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt


@click.command()
@click.option("--quick", is_flag=True, help="Fewer and shorter rounds.")
@click.option(
    "--only", "names", multiple=True, type=click.Choice(list(MEASURES)), help="This measure alone. Repeat for more."
)
@click.option("--write", is_flag=True, help="Publish what is measured in docs/performance.md.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with what every round gave.")
def main(quick: bool, names: tuple[str, ...], write: bool, as_json: bool) -> None:
    """Measure speed side by side with a bare grpc.aio echo, and the scanner's with a bare parser."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_now)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal that knows few letters
    # What is no terminal, a file for one, has room for the table.
    width = None if sys.stdout.isatty() else WIDTH
    out, err = Console(highlight=False, width=width), Console(stderr=True, highlight=False)
    start, before = time.monotonic(), machine()

    def say(text: str) -> None:
        status.update(f"  {text}") if err.is_terminal else err.print(f"  {time.monotonic() - start:5.1f} s  {text}")

    run = Run(QUICK if quick else FULL, names or USUAL, say)
    try:
        with err.status("") as status:
            run.run()
    except KeyboardInterrupt:
        err.print("Stopped. Nothing is left running.")
        sys.exit(INTERRUPTED)
    except PROBLEMS as problem:
        err.print(Text(f"The benchmark cannot go on. {problem}", style="red"))
        sys.exit(1)
    finally:
        if write:  # also what there is of a run that did not come to its end: each measure stands for itself
            publish(run.figures, before, quick=quick)
    sys.exit(show(out, run, before, time.monotonic() - start, as_json=as_json))


def show(out: Console, run: Run, before: Mapping[str, Any], seconds: float, *, as_json: bool) -> int:
    """Print what a run found on a machine that was so before; the exit status."""
    missed = [figure for figure in run.figures if figure.missed]
    if as_json:
        form = {"machine": before, "seconds": seconds, "checks": list(run.checks)}
        print(json.dumps(form | {"figures": [figure.form() for figure in run.figures], "met": not missed}, indent=2))
        return 1 if missed else 0
    out.print(table(run.figures))
    for check in run.checks:
        out.print(Text.assemble(("  ✓ ", "green"), check))
    out.print(Text(f"  {machine_text(before)}", style="dim"))
    out.print(Text(f"  {seconds:.0f} seconds in all.", style="dim"))
    for figure in missed:
        value = f"{figure.value:.3g} {figure.unit}".rstrip()
        out.print(Text(f"  Missed: {figure.name} is {value}, target {figure.target}.", "bold red"))
    return 1 if missed else 0
