"""The figures for a person, and for a program."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import version
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.figure import Figure


def machine() -> dict[str, Any]:
    """Tell what the figures were measured on; the load of the last minute shows whether others were at work too."""
    return {
        "cpus": os.cpu_count(),
        "load_1min": os.getloadavg()[0],
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "sqlite": sqlite3.sqlite_version,
    }


def machine_line() -> str:
    """Tell it in a line."""
    found = machine()
    versions = f"Python {found['python']}, grpcio {found['grpcio']}, SQLite {found['sqlite']}"
    return f"{found['cpus']} processors, load {found['load_1min']:.1f}, {versions}."


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
            spread = f"{amount(min(figure.rounds))} … {amount(max(figure.rounds))}" if len(figure.rounds) > 1 else ""
            target = str(figure.target) if figure.target else ""
            value = f"{amount(figure.value)} {figure.unit}".rstrip()
            shown.add_row(f"  {figure.name}", value, spread, target, verdict(figure))
        shown.add_section()
    return shown


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
