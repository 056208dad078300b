"""The text in an image, in the order in which a person reads it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from runward_service.plugins.base import MEBIBYTE, Payload, Plugin, RunContext
from runward_service.plugins.builtin import annotated as annotating
from runward_service.plugins.builtin.options import completed
from runward_service.plugins.builtin.pixels import flattened, shrunk
from runward_service.plugins.builtin.reading_order import bounds, reading_rows
from runward_service.plugins.builtin.text_lines import page_turns
from runward_service.plugins.builtin.text_reader import TextReader
from runward_service.plugins.imaging import PILLOW_FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runward_service.plugins.builtin.text_lines import Line, Word

LONGEST_SIDE = 2560
"""Letters are read in a copy whose longest side has at most this many pixels."""
LONE_LETTER = 0.9
"""Least confidence of a single character, for the models see an O or an 8 in many things."""
MOST_WORDS = 8000
"""More, with their boxes, would not fit a result."""


class Ocr(Plugin):
    """Recognise printed text with RapidOCR."""

    name = "ocr"
    version = "1.0.0"
    description = "Printed text with its lines, boxes and confidences, in reading order."
    mime_types = tuple(PILLOW_FORMATS)
    options_schema: ClassVar[Mapping[str, Any]] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "min_confidence": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.5,
                "description": "Lines with less confidence are left out; single characters below 0.9 always.",
            },
            "max_side_length": {
                "type": "integer",
                "minimum": 320,
                "maximum": 2560,
                "default": 960,
                "description": "Text is looked for in a copy whose longest side has at most this many pixels. More "
                "parts dense small print better; fewer find lone words on large grounds.",
            },
            "detect_orientation": {
                "type": "boolean",
                "default": True,
                "description": "Whether to read text that is upside down or runs upwards.",
            },
            "words": {
                "type": "boolean",
                "default": False,
                "description": "Whether to tell the words of each line, with their boxes; the first 8000.",
            },
            "annotate": {
                "type": "boolean",
                "default": False,
                "description": "Whether to give the picture back with the lines drawn in, numbered in their order.",
            },
        },
    }
    timeout = 120.0
    memory_bytes = 2048 * MEBIBYTE
    # One run takes several hundred megabytes and two processor cores already.
    concurrency = 1
    cacheable = True
    requires: ClassVar[Mapping[str, str]] = {
        "PIL": "pillow",
        "numpy": "numpy",
        "onnxruntime": "onnxruntime",
        "rapidocr": "rapidocr",
    }
    install_hint = "pip install 'runward[plugins]'"

    _reader: TextReader

    def setup(self) -> None:
        """Load the models."""
        self._reader = TextReader()

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Read one image; docs/plugins.md describes the output."""
        options = completed(self.options_schema, payload.options)
        context.progress(0.0, "decoding")
        image = payload.open_image()
        width, height = image.size
        # Shrunk first and made opaque after, so that only the decoded image is ever whole in memory.
        small = flattened(shrunk(image, LONGEST_SIDE))
        scale = width / small.width, height / small.height
        del image
        context.progress(0.2, "reading")
        found = self._reader.read(
            small,
            options["max_side_length"],
            any_direction=options["detect_orientation"],
            report=lambda share: context.progress(0.2 + 0.8 * share, "reading"),
        )
        found = [line for line in found if _counts(line, options["min_confidence"])]
        rotation, rows = _arranged(found)
        lines = _told(found, rows, scale, MOST_WORDS if options["words"] else None)
        if options["annotate"]:
            boxes = [found[index].box.tolist() for indices in rows for index in indices]
            context.artifact(annotating.NAME, annotating.annotated(small, boxes), annotating.MIME_TYPE)
        confidences = [line["confidence"] for line in lines]
        return {
            "text": "\n".join(" ".join(found[index].text for index in indices) for indices in rows),
            "lines": lines,
            "mean_confidence": round(sum(confidences) / len(confidences), 4) if confidences else None,
            "rotation": rotation,
            "width": width,
            "height": height,
            "engine": {"name": "rapidocr", "version": self._reader.version, "models": self._reader.models},
        }


def _counts(line: Line, min_confidence: float) -> bool:
    """Whether a line says something, surely enough."""
    least = max(min_confidence, LONE_LETTER) if len(line.text) == 1 else min_confidence
    return line.text != "" and line.confidence >= least


def _arranged(lines: Sequence[Line]) -> tuple[int, list[list[int]]]:
    """Tell the page's rotation in degrees clockwise, and the rows of lines as read on the page turned upright."""
    turns = page_turns((line.turns, line.text) for line in lines)
    # The direction of most text is the sum of the lines' top edges: the longer a line, the surer its angle.
    edges = [line.box[1] - line.box[0] for line in lines if line.turns == turns]
    angle = math.atan2(sum(float(edge[1]) for edge in edges), sum(float(edge[0]) for edge in edges))
    cosine, sine = math.cos(-angle), math.sin(-angle)
    upright = [
        bounds([(float(x) * cosine - float(y) * sine, float(x) * sine + float(y) * cosine) for x, y in line.box])
        for line in lines
    ]
    return turns * 90, reading_rows(upright)


def _told(
    found: Sequence[Line], rows: list[list[int]], scale: tuple[float, float], most_words: int | None
) -> list[dict[str, Any]]:
    """Describe the lines in their order for JSON, boxes in pixels of the upright image; no words for None."""
    told: list[dict[str, Any]] = []
    for row, index in ((row, index) for row, indices in enumerate(rows) for index in indices):
        line = found[index]
        told.append({"order": len(told), "row": row, **_described(line, scale), "rotation": line.turns * 90})
        if most_words is not None:
            told[-1]["words"] = [_described(word, scale) for word in line.words[:most_words]]
            most_words -= len(told[-1]["words"])
    return told


def _described(part: Line | Word, scale: tuple[float, float]) -> dict[str, Any]:
    box = [[round(float(x) * scale[0], 1), round(float(y) * scale[1], 1)] for x, y in part.box]
    return {"text": part.text, "confidence": round(part.confidence, 4), "box": box}
