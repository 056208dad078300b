"""The figures that have a target, as a picture: how many times better than its target each one is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tests.bench.report import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.figure import Figure

FILE = Path(__file__).resolve().parents[2] / "docs" / "performance.svg"
ROW = 20
LEFT = 470
"""Where bars begin: the names stand before them."""
DOUBLING = 36
"""Pixels by which a bar grows when its figure gets twice as good."""
LEAST, MOST = 2**-3, 2**5
"""What bars show; one beyond goes to the edge."""
RIGHT = 190
GREEN, RED, GREY = "#2e8b57", "#c0392b", "#9aa0a6"
HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
"""


def draw(figures: Sequence[Figure]) -> str:
    """Draw those of the figures that have a target, as SVG: bars on a logarithmic scale, a line where a target is just
    kept; green bars keep it, red ones do not, grey ones fall short of an aim.
    """
    shown = [figure for figure in figures if figure.target is not None]
    width, height = _x(MOST) + RIGHT, ROW * (len(shown) + 2)
    parts = [HEAD.format(width=width, height=height)]
    for times in (0.25, 0.5, 1, 2, 4, 8, 16):
        x, colour = _x(times), "black" if times == 1 else "#e0e0e0"
        parts.append(f'<line x1="{x}" y1="{ROW}" x2="{x}" y2="{height - ROW // 2}" stroke="{colour}"/>\n')
        parts.append(f'<text x="{x}" y="14" text-anchor="middle">{times:g}</text>\n')
    for number, figure in enumerate(shown):
        parts.append(_bar(figure, ROW * (number + 1) + 4))
    return "".join([*parts, "</svg>\n"])


def _bar(figure: Figure, y: int) -> str:
    assert figure.target is not None
    end = _x(min(max(figure.target.times(figure.value), LEAST), MOST))
    left, length = min(end, _x(1)), abs(end - _x(1))
    colour = GREEN if figure.target.met(figure.value) else GREY if figure.target.aim else RED
    name = escape(f"{figure.measure}: {figure.name}")
    value = escape(f"{amount(figure.value)} {figure.unit}".rstrip() + f" ({figure.target})")
    return (
        f'<text x="{LEFT - 8}" y="{y + 11}" text-anchor="end">{name}</text>\n'
        f'<rect class="bar" x="{left}" y="{y}" width="{max(length, 1)}" height="{ROW - 6}" fill="{colour}"/>\n'
        f'<text x="{_x(MOST) + 8}" y="{y + 11}">{value}</text>\n'
    )


def _x(times: float) -> int:
    return LEFT + round(DOUBLING * math.log2(times / LEAST))
