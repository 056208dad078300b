"""The order of boxes on a page."""

from __future__ import annotations

import random

import pytest

from runward_service.plugins.builtin.reading_order import Box, reading_rows, rows


def line(left: float, top: float, width: float, height: float = 20) -> Box:
    """Make a box by its size."""
    return Box(left, top, left + width, top + height)


def column(left: float, top: float, count: int, width: float = 300) -> list[Box]:
    """Make a column of text lines."""
    return [line(left, top + 30 * number, width) for number in range(count)]


def test_nothing_has_no_rows() -> None:
    """An empty page is read in no time."""
    assert reading_rows([]) == []


def test_boxes_beside_each_other_are_a_row() -> None:
    """Left to right, though they do not stand quite level; then the next row."""
    assert rows([line(200, 4, 80), line(0, 0, 150), line(0, 40, 150), line(300, -5, 40)]) == [[1, 0, 3], [2]]


def test_boxes_over_each_other_are_no_row() -> None:
    """A high box beside two low ones does not make one row of them."""
    assert rows([line(0, 0, 100, 20), line(0, 22, 100, 20), line(150, 0, 60, 42)]) == [[0, 2], [1]]


def test_a_slope_does_not_run_rows_together() -> None:
    """Each box of a row overlaps with all others there, so that drift has an end."""
    assert len(rows([line(200 * step, 9 * step, 150) for step in range(6)])) > 1


def test_columns_are_read_one_after_the_other() -> None:
    """Two columns of running text whose lines stand level."""
    boxes = [*column(0, 0, 4), *column(400, 0, 4)]
    assert reading_rows(boxes) == [[index] for index in range(8)]


def test_columns_need_not_stand_level() -> None:
    """Three columns, each shifted a little."""
    boxes = [*column(0, 0, 5), *column(400, 9, 5), *column(800, 17, 4)]
    assert reading_rows(boxes) == [[index] for index in range(14)]


def test_a_heading_and_a_footer_enclose_columns() -> None:
    """What runs across the page ends the columns, and new ones begin below it."""
    upper, lower = [*column(0, 100, 3), *column(400, 100, 3)], [*column(0, 300, 3), *column(400, 300, 3)]
    boxes = [line(50, 0, 600, 40), *upper, line(0, 220, 700), *lower, line(0, 500, 650)]
    assert reading_rows(boxes) == [[index] for index in range(15)]


def test_prices_are_read_with_their_items() -> None:
    """Short entries are no column of text."""
    boxes = [box for row in range(6) for box in (line(0, 30 * row, 240), line(400, 30 * row + 3, 60))]
    assert reading_rows(boxes) == [[2 * row, 2 * row + 1] for row in range(6)]


def test_two_lines_are_no_column() -> None:
    """Two addresses beside each other are read row by row."""
    assert reading_rows([*column(0, 0, 2), *column(400, 0, 2)]) == [[0, 2], [1, 3]]


def test_columns_within_a_column_are_found() -> None:
    """A narrow gutter inside a part is met when that part is read."""
    boxes = [*column(0, 0, 6, 400), line(600, 0, 420), *column(600, 30, 5, 200), *column(840, 30, 5, 200)]
    assert reading_rows(boxes) == [[index] for index in range(17)]


@pytest.mark.parametrize("seed", range(20))
def test_every_box_is_read_once_whatever_the_page(seed: int) -> None:
    """Nothing is lost or doubled, and the order does not depend on how the boxes came."""
    dice = random.Random(seed)
    boxes = [line(dice.randrange(900), dice.randrange(900), dice.randrange(300), dice.randrange(60)) for _ in range(80)]
    order = reading_rows(boxes)
    assert sorted(index for row in order for index in row) == list(range(80))
    shuffled = dice.sample(range(80), 80)
    again = reading_rows([boxes[index] for index in shuffled])
    assert [[boxes[shuffled[index]] for index in row] for row in again] == [
        [boxes[index] for index in row] for row in order
    ]
