"""What was published of the benchmark: of each measure its last figures, and what they were measured on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILE = Path(__file__).resolve().parents[2] / "docs" / "performance.json"
DIGITS = 4
"""That count, of a published number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The last figures of one measure; ``quick`` where rounds were few and short; ``machine`` as report.machine
    tells it.
    """

    quick: bool
    machine: Mapping[str, Any]
    figures: Sequence[Figure]


Record = dict[str, Entry]
"""By the names of measures."""


def read() -> Record:
    """Read what was published; nothing where nothing was."""
    if not FILE.exists():
        return {}
    record: Record = {}
    for name, form in json.loads(FILE.read_text("utf-8")).items():
        figures = [Figure.of_form(name, one) for one in form["figures"]]
        record[name] = Entry(form["quick"], form["machine"], figures)
    return record


def write(record: Record) -> None:
    """Publish a record."""
    forms = {
        name: {"quick": entry.quick, "machine": entry.machine, "figures": [_form(one) for one in entry.figures]}
        for name, entry in record.items()
    }
    FILE.write_text(json.dumps(forms, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _form(figure: Figure) -> dict[str, Any]:
    form = {key: value for key, value in figure.form().items() if key not in {"measure", "met"}}
    rounds = [_rounded(value) for value in figure.rounds]
    return form | {"value": _rounded(figure.value), "rounds": rounds}


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
