"""The figures for a person, and for a program."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.figure import Figure


def machine() -> dict[str, Any]:
    """Tell what figures are measured on; the load of the last minute, before a run, shows whether others are at work
    too.
    """
    return {
        "cpus": os.cpu_count(),
        "model": _model(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "load_1min": os.getloadavg()[0],
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "sqlite": sqlite3.sqlite_version,
    }


def _model() -> str:
    """Give the processors' name; "processors" where the system does not tell it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "processors"


def machine_text(found: Mapping[str, Any]) -> str:
    """Tell what figures were measured on, in a line."""
    versions = f"Python {found['python']}, grpcio {found['grpcio']}, SQLite {found['sqlite']}"
    before = f"load {found['load_1min']:.1f} before"
    return f"{found['cpus']} processors ({found['model']}), {found['memory_gib']} GiB, {before}; {versions}."


def table(figures: Sequence[Figure]) -> Table:
    """Show the figures, a section for each measure."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    shown.add_column("figure", no_wrap=True)
    shown.add_column("median", justify="right", no_wrap=True)
    shown.add_column("rounds", justify="right", no_wrap=True, style="dim")
    shown.add_column("target", justify="right", no_wrap=True)
    shown.add_column("verdict", no_wrap=True)
    for measure, group in groupby(figures, key=lambda figure: figure.measure):
        shown.add_row(Text(measure, style="bold cyan"))
        for figure in group:
            target = str(figure.target) if figure.target else ""
            value = f"{amount(figure.value)} {figure.unit}".rstrip()
            shown.add_row(f"  {figure.name}", value, spread(figure), target, verdict(figure))
        shown.add_section()
    return shown


def spread(figure: Figure) -> str:
    """Write the least and the most that rounds gave; nothing where there was one alone."""
    return f"{amount(min(figure.rounds))} … {amount(max(figure.rounds))}" if len(figure.rounds) > 1 else ""


def amount(value: float) -> str:
    """Write a number with three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(figure: Figure) -> Text:
    """Say whether a figure keeps its target."""
    if figure.target is None:
        return Text("")
    if figure.target.aim:
        return Text("aim met" if figure.target.met(figure.value) else "an aim", style="dim")
    return Text("met", style="green") if figure.target.met(figure.value) else Text("missed", style="bold red")
