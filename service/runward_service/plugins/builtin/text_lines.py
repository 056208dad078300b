"""Lines of recognised text: what they say, where they lie, and which way up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    Quad = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a line. Box and confidence as the line's."""

    text: str
    confidence: float
    box: Quad


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text on one line.

    ``box`` holds the corners in pixels of the image, clockwise from where the text's top left lies: an array of shape
    (4, 2). ``turns`` is how many quarter turns clockwise the text is turned. ``confidence`` goes from 0 to 1.
    """

    text: str
    confidence: float
    box: Quad
    turns: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the recogniser made of a crop in one direction; ``info`` is RapidOCR's WordInfo."""

    text: str
    confidence: float
    info: Any


def page_turns(lines: Iterable[tuple[int, str]]) -> int:
    """Tell how many quarter turns clockwise a page is turned, by the turns and text of its lines.

    Every letter votes but the first of its line: a lone one says little, since detectors see an O in many things.
    """
    votes = [0] * 4
    for turns, text in lines:
        votes[turns] += max(len(text.strip()) - 1, 0)
    return votes.index(max(votes))


def line_of(reading: Reading, turns: int, box: Quad) -> Line:
    """Make a line of a reading and its box's corners, which are turned so that they begin at the text's top left."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

    corners = np.roll(box, -turns, axis=0)
    return Line(reading.text.strip(), reading.confidence, corners, turns, tuple(_words(reading, corners)))


def _words(reading: Reading, box: Quad) -> list[Word]:
    """Part a line at its spaces. The recogniser tells a step along the line, and a confidence, for each letter."""
    letters = [index for index, letter in enumerate(reading.text) if not letter.isspace()]
    steps = [step for word in reading.info.word_cols for step in word]
    if not letters or len(steps) != len(letters) or len(reading.info.confs) != len(reading.text):
        return []
    half = reading.info.line_txt_len / len(reading.text) / 2
    words: list[Word] = []
    for text in reading.text.split():
        places, steps = steps[: len(text)], steps[len(text) :]
        indices, letters = letters[: len(text)], letters[len(text) :]
        start, end = places[0] + 0.5 - half, places[-1] + 0.5 + half
        confidence = sum(reading.info.confs[index] for index in indices) / len(text)
        part = _part(box, start / reading.info.line_txt_len, end / reading.info.line_txt_len)
        words.append(Word(text, float(confidence), part))
    return words


def _part(box: Quad, start: float, end: float) -> Quad:
    """Cut out the part of a line's box between two shares of its length."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

    start, end = max(start, 0.0), min(end, 1.0)
    top, bottom = box[1] - box[0], box[2] - box[3]
    return np.stack([box[0] + start * top, box[0] + end * top, box[3] + end * bottom, box[3] + start * bottom])
