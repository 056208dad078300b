from __future__ import annotations

import pytest

from tests.bench.calls import analyze, image
from tests.bench.figure import Figure, Target
from tests.bench.load import STAMP
from tests.bench.statistics import percentile, ratios


@pytest.mark.parametrize(("fraction", "expected"), [(0, 1), (0.5, 100), (0.99, 198), (0.995, 199), (1, 200)])
def test_percentile_is_the_nearest_rank(fraction: float, expected: float) -> None:
    """The percentile is a value that was measured."""
    assert percentile(list(range(200, 0, -1)), fraction) == expected


def test_percentile_of_nothing_is_refused() -> None:
    """There is no percentile of nothing."""
    with pytest.raises(ValueError, match="some values"):
        percentile([], 0.5)


def test_ratios_are_taken_round_by_round() -> None:
    """A ratio is that of one round."""
    assert ratios([1, 9], [2, 3]) == [0.5, 3]


def test_a_target_is_missed_on_its_wrong_side_alone() -> None:
    """The limit itself keeps a target; an aim is never missed."""
    assert Figure("m", "n", 0.39, target=Target(0.4, at_least=True)).missed
    assert not Figure("m", "n", 0.4, target=Target(0.4, at_least=True)).missed
    assert Figure("m", "n", 50.1, target=Target(50)).missed
    assert not Figure("m", "n", 9, target=Target(1.8, aim=True)).missed
    assert not Figure("m", "n", 9).missed


def test_a_figure_of_rounds_is_their_median() -> None:
    """A figure keeps its rounds, for programs."""
    figure = Figure.of_rounds("m", "n", [3, 1, 2], "ms", Target(2))
    assert (figure.value, figure.form()["rounds"], figure.form()["met"]) == (2, [3, 1, 2], True)


def test_an_image_has_its_size_and_one_place_for_a_stamp() -> None:
    """Each call can be given another image of the same size."""
    assert len(image()) == 1024
    assert analyze("target").request.count(STAMP) == 1
