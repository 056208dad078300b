"""Publishing: what a run found becomes part of the record, and the record a document and a picture."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tests.bench import document, plot, record
from tests.bench.run import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from tests.bench.figure import Figure
    from tests.bench.record import Record


def publish(figures: Sequence[Figure], machine: Mapping[str, Any], *, quick: bool) -> None:
    """Publish what a run found, on a machine, in place of what was published of the same measures."""
    published = record.read()
    for name, found in groupby(figures, key=lambda figure: figure.measure):
        published[name] = record.Entry(quick, machine, list(found))
    published = {name: published[name] for name in MEASURES if name in published}
    record.write(published)
    # As it can be read again, so that document and picture are those of the record.
    published = record.read()
    document.FILE.write_text(document.render(published, MEASURES), "utf-8")
    plot.FILE.write_text(plot.draw(all_figures(published)), "utf-8")


def all_figures(published: Record) -> list[Figure]:
    """Give the figures of all measures."""
    return [figure for entry in published.values() for figure in entry.figures]
