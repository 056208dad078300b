"""What is published is what the benchmark measures and the record holds."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import ANY
from xml.etree import ElementTree as ET

import pytest

from tests.bench import document, plot, record
from tests.bench.figure import Figure, Target
from tests.bench.publishing import all_figures, publish
from tests.bench.report import machine
from tests.bench.run import MEASURES, UNUSUAL, USUAL

if TYPE_CHECKING:
    from pathlib import Path

HOW_TO_PUBLISH = "Measure and publish anew: 'python -m tests.bench --write', with '--only NAME' for one measure."
BAR = "{http://www.w3.org/2000/svg}rect[@class='bar']"


def test_every_measure_is_published() -> None:
    """The record has all measures of a usual run, in their order, and none that is no measure."""
    published = list(record.read())
    assert [name for name in published if name in USUAL] == USUAL, HOW_TO_PUBLISH
    assert [name for name in MEASURES if name in published] == published, HOW_TO_PUBLISH


@pytest.mark.parametrize("name", record.read())
def test_the_published_targets_are_those_of_the_measure(name: str) -> None:
    """Each target and aim that a measure declares stands beside a figure, and no other does; a measure that is only
    made where it is asked for may lack some, such as those beside a system that is not installed.
    """
    published = {figure.target for figure in record.read()[name].figures if figure.target}
    values = vars(MEASURES[name]).values()
    flat = (one for value in values for one in (value if isinstance(value, tuple) else [value]))
    declared = {one for one in flat if isinstance(one, Target)}
    assert published <= declared, HOW_TO_PUBLISH
    assert published == declared or (published and name in UNUSUAL), HOW_TO_PUBLISH


def test_document_and_picture_are_those_of_the_record() -> None:
    """Nothing in them was written by hand, or is of another record."""
    published = record.read()
    assert document.FILE.read_text("utf-8") == document.render(published, MEASURES), HOW_TO_PUBLISH
    assert plot.FILE.read_text("utf-8") == plot.draw(all_figures(published)), HOW_TO_PUBLISH


def test_the_picture_has_a_bar_for_each_target() -> None:
    """It is well-formed, and shows the figures that have a target alone; names are escaped."""
    figures = [
        Figure("m", "a < b", 3, "ms", Target(2)),
        Figure("m", "no target", 3),
        Figure("m", "an aim", 0, "", Target(2, aim=True)),
        Figure("m", "met", 1e9, "", Target(2, at_least=True)),
    ]
    picture = ET.fromstring(plot.draw(figures))
    assert [bar.get("fill") for bar in picture.findall(BAR)] == [plot.RED, plot.GREEN, plot.GREEN]
    assert "m: a < b" in [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]


def test_a_measure_is_published_in_place_of_its_last_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of some measures leaves what was published of others, and the sections keep the order of the measures."""
    for module in (record, document, plot):
        monkeypatch.setattr(module, "FILE", tmp_path / module.FILE.name)
    first, second = list(MEASURES)[:2]
    publish([Figure.of_rounds(second, "one", [1.23456789, 2, 3], "ms", Target(2))], machine(), quick=False)
    publish([Figure(first, "two", 1)], machine(), quick=True)
    publish([Figure(first, "three", 1)], machine(), quick=True)
    found = record.read()
    assert list(found) == [first, second]
    assert found[second].machine == machine() | {"load_1min": ANY}
    assert found[second].figures == [Figure(second, "one", 2, "ms", Target(2), (1.235, 2, 3))]
    text = document.FILE.read_text("utf-8")
    assert text.index(f"## {first}") < text.index("| three | 1.00 |") < text.index(f"## {second}")
    assert "| two |" not in text
    assert "| one | 2.00 ms | 1.24 … 3.00 | ≤ 2 | met |" in text
