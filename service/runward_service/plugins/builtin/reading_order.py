"""The order in which a person reads boxes on a page. Pure Python, so that it is cheap to import and easy to test."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMN_LINES = 3
"""A column of text has at least this many lines…"""
COLUMN_WIDTH = 8.0
"""…and half of them are at least this many times as wide as high. Prices and other short entries make no column."""
GUTTER = 0.8
"""Columns lie at least this many line heights apart."""


class Box(NamedTuple):
    """A rectangle in pixels, x to the right and y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """The extent in x."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """The extent in y."""
        return self.bottom - self.top


def bounds(points: Sequence[Sequence[float]]) -> Box:
    """Return the smallest box around some points."""
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return Box(min(xs), min(ys), max(xs), max(ys))


def rows(boxes: Sequence[Box]) -> list[list[int]]:
    """Group boxes that stand beside each other: rows from top to bottom, each a list of indices from left to right.

    A box joins a row when it shares at least half of the lesser height with every box there and stands over none.
    """
    found: list[list[int]] = []
    for index in sorted(range(len(boxes)), key=lambda i: (boxes[i].top + boxes[i].bottom, boxes[i].left, i)):
        row = next((row for row in reversed(found) if all(_beside(boxes[index], boxes[i]) for i in row)), None)
        if row is None:
            found.append([index])
        else:
            row.append(index)
    for row in found:
        row.sort(key=lambda i: (boxes[i].left, boxes[i].top, i))
    return found


def reading_rows(boxes: Sequence[Box]) -> list[list[int]]:
    """Group boxes as rows does, and read columns of text one after the other.

    Rows that follow each other with a common gutter are columns when every part beside the gutters holds several lines
    of running text and reaches over the same height; a heading or a line across the page ends them. All else, such as a
    receipt's items and prices, is read row by row.
    """
    lines = rows(boxes)
    result: list[list[int]] = []
    start = 0
    while start < len(lines):
        end, columns = _columns(boxes, lines, start)
        for column in columns:
            inner = reading_rows([boxes[i] for i in column])
            result.extend([column[i] for i in row] for row in inner)
        if not columns:
            result.append(lines[start])
        start = end
    return result


def _beside(one: Box, other: Box) -> bool:
    shared_height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared_width = min(one.right, other.right) - max(one.left, other.left)
    beside = shared_height >= 0.5 * min(one.height, other.height)
    return beside and shared_width <= 0.5 * min(one.width, other.width)


def _columns(boxes: Sequence[Box], lines: list[list[int]], start: int) -> tuple[int, list[list[int]]]:
    """Find the columns that begin in a row: the row after their last one, and each column's boxes.

    Without columns: the next row, and nothing.
    """
    gutter = GUTTER * median(boxes[i].height for line in lines for i in line)
    covered: list[tuple[float, float]] = []
    end, parts = start, covered
    for position in range(start, len(lines)):
        covered = _joined([*covered, *((boxes[i].left, boxes[i].right) for i in lines[position])], gutter)
        if len(covered) > 1:
            end, parts = position, covered
        elif parts:
            break
    if not parts:
        return start + 1, []
    run = [i for line in lines[start : end + 1] for i in line]
    columns = [[i for i in run if left <= boxes[i].left < right] for left, right in parts]
    if not _are_columns([[boxes[i] for i in column] for column in columns]):
        return start + 1, []
    return end + 1, columns


def _joined(intervals: list[tuple[float, float]], gutter: float) -> list[tuple[float, float]]:
    """Join intervals that overlap or lie less than a gutter apart."""
    joined: list[tuple[float, float]] = []
    for left, right in sorted(intervals):
        if joined and left - joined[-1][1] < gutter:
            joined[-1] = (joined[-1][0], max(joined[-1][1], right))
        else:
            joined.append((left, right))
    return joined


def _are_columns(parts: list[list[Box]]) -> bool:
    """Whether every part is running text, and all reach over much the same height."""
    for part in parts:
        if len(rows(part)) < COLUMN_LINES or median(box.width / max(box.height, 1.0) for box in part) < COLUMN_WIDTH:
            return False
    extents = [(min(box.top for box in part), max(box.bottom for box in part)) for part in parts]
    shared = min(bottom for _, bottom in extents) - max(top for top, _ in extents)
    return shared >= 0.5 * min(bottom - top for top, bottom in extents)
