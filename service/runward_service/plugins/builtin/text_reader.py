"""Finding and recognising lines of text, with RapidOCR's components and the models inside its wheel."""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runward_service.plugins.builtin.text_lines import Line, Reading, line_of, page_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from runward_service.plugins.builtin.text_lines import Quad

    Pixels = NDArray[np.uint8]

THREADS = 2
"""Threads of one inference: a fixed number, so that sums are always added in the same order."""
ENLARGED_SIDE = 960
"""An image whose longest side has fewer pixels is enlarged to that for the detector…"""
MOST_ENLARGED = 4
"""…but at most so many times."""
COARSE_SIDE = 640
"""Text is looked for a second time in a copy of this longest side: the detector overlooks lone words on large empty
grounds, and finds them in smaller copies, where the letters are five pixels high."""
NARROWEST = 8
"""An image is filled up to a height of at least a NARROWEST-th of its width, and the other way round."""
DETECTION_SHARE = 0.3
"""How much of the work is done once the lines are found, roughly."""
TALL = 1.5
"""A box at least this many times as high as wide holds text that runs up or down…"""
VERY_TALL = 3.0
"""…unless it is lower than this: then it may also hold one upright letter."""
SURE = 0.9
"""A line recognised with less confidence is tried in its other directions."""
PREFERENCE = 0.1
"""How much confidence a reading in the page's own direction may lack and still be taken."""
LOWEST_LINE = 4.0
"""Lines of fewer pixels, in height or width, hold nothing to read."""
BATCH_WIDTH = 240.0
"""How many line heights of text are recognised at once, which bounds the memory."""
LONGEST_LINE = 120.0
"""A line this many times as wide as high, or wider, is squeezed to that."""


class TextReader:
    """RapidOCR, loaded once."""

    def __init__(self) -> None:
        """Load the models. Raises RuntimeError when the wheel does not hold them."""
        from rapidocr import RapidOCR  # noqa: PLC0415 - importing a plugin stays cheap
        from rapidocr.main import RapidOCRError  # noqa: PLC0415

        self._nothing_found = RapidOCRError
        detector, recogniser = _model("det"), _model("rec")
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_vertical_padding": False,
                "Global.return_word_box": True,
                # With its path given, a model is never looked for elsewhere, least of all downloaded.
                "Det.model_path": str(detector),
                "Rec.model_path": str(recogniser),
                # Images come in the size in which text is looked for.
                "Det.limit_type": "max",
                "Det.limit_side_len": 1_000_000,
                "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self.models = [detector.stem, recogniser.stem]
        self.version = version("rapidocr")
        self._warm_up()

    def _warm_up(self) -> None:
        """Load the models now rather than in the first run, by reading a word."""
        from PIL import Image as PillowImage  # noqa: PLC0415 - importing a plugin stays cheap
        from PIL import ImageDraw, ImageFont  # noqa: PLC0415

        image = PillowImage.new("RGB", (320, 96), "white")
        ImageDraw.Draw(image).text((20, 20), "Runward", fill="black", font=ImageFont.load_default(48))
        self.read(image, 320, any_direction=False)

    def read(
        self, image: Image, max_side: int, *, any_direction: bool, report: Callable[[float], None] = lambda share: None
    ) -> list[Line]:
        """Read an RGB image's lines of text, in no particular order.

        Text is looked for in a copy whose longest side is at most max_side. With any_direction, text that is upside
        down or runs upwards is read as well. ``report`` is told the share that is done, from 0 to 1.
        """
        import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

        longest = max(image.size)
        scale = min(max_side, max(longest, min(MOST_ENLARGED * longest, ENLARGED_SIDE))) / longest
        boxes = self._found(image, scale)
        coarse = COARSE_SIDE / longest
        if coarse < scale:
            boxes = np.concatenate([boxes, _beside(self._found(image, coarse), boxes)])
        report(DETECTION_SHARE)
        # Letters are found in a small copy, and read in all the detail that there is.
        detail = max(scale, 1.0)
        boxes = boxes[[min(_extent(box)) * detail >= LOWEST_LINE for box in boxes]]
        if not len(boxes):
            return []
        crops = self._engine.crop_text_regions(_scaled(image, detail), (boxes * detail).astype(np.float32))
        upright = [
            np.rot90(crop, -1) if _is_tall(box * detail) else crop for crop, box in zip(crops, boxes, strict=True)
        ]
        readings = self._readings(upright, boxes * detail, report, any_direction=any_direction)
        return [line_of(reading, turns, box) for (turns, reading), box in zip(readings, boxes, strict=True)]

    def _found(self, image: Image, scale: float) -> Quad:
        """Find lines of text in a scaled copy: their corners in pixels of the image, of shape (lines, 4, 2)."""
        import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

        canvas, corner = _canvas(_scaled(image, scale))
        try:
            _, detected = self._engine.detect_and_crop(canvas, {})
        except self._nothing_found:
            return np.zeros((0, 4, 2))
        boxes: Quad = np.clip((detected.boxes.astype(np.float64) - corner) / scale, 0, np.array(image.size) - 1.0)
        return boxes

    def _readings(
        self, crops: list[Pixels], boxes: Quad, report: Callable[[float], None], *, any_direction: bool
    ) -> list[tuple[int, Reading]]:
        """Recognise every crop: quarter turns clockwise of the text, and the reading in that direction."""
        first = [1 if _is_tall(box) else 0 for box in boxes]
        tried: list[dict[int, Reading]] = [{} for _ in crops]
        self._recognise(crops, enumerate(first), tried, report)
        if not any_direction:
            return [_best(readings) for readings in tried]
        unsure = [i for i in range(len(crops)) if tried[i][first[i]].confidence < SURE]
        self._recognise(crops, ((i, turns) for i in unsure for turns in _directions(boxes[i])), tried)
        page = page_turns((turns, reading.text) for turns, reading in map(_best, tried))
        against = [i for i in range(len(crops)) if page in _directions(boxes[i])]
        self._recognise(crops, ((i, page) for i in against), tried)
        return [_best(readings, page) for readings in tried]

    def _recognise(
        self,
        crops: list[Pixels],
        wanted: Iterable[tuple[int, int]],
        tried: list[dict[int, Reading]],
        report: Callable[[float], None] = lambda share: None,
    ) -> None:
        """Recognise crops (by index) in directions (quarter turns), those not tried yet, in batches of like widths."""
        import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

        queue = []
        for index, turns in wanted:
            if turns not in tried[index]:
                crop = np.ascontiguousarray(np.rot90(crops[index], turns))
                queue.append((crop.shape[1] / crop.shape[0], index, turns, crop))
        queue.sort(key=lambda entry: entry[:3])
        total = len(queue)
        while queue:
            size = 1
            while size < min(6, len(queue)) and queue[size][0] * (size + 1) <= BATCH_WIDTH:
                size += 1
            batch, queue = queue[:size], queue[size:]
            output = self._engine.recognize_txt([_squeezed(crop) for *_, crop in batch])
            for (_, index, turns, _), text, score, info in zip(
                batch, output.txts, output.scores, output.word_results, strict=True
            ):
                tried[index][turns] = Reading(text, float(score) if text.strip() else 0.0, info)
            report(1 - (1 - DETECTION_SHARE) * len(queue) / total)


def _model(task: str) -> Path:
    """Find the model for a task inside the wheel, whatever its generation."""
    import rapidocr  # noqa: PLC0415 - importing a plugin stays cheap

    folder = Path(rapidocr.__file__).parent / "models"
    models = sorted(folder.glob(f"*_{task}_*.onnx"))
    if len(models) != 1:
        message = f"rapidocr {version('rapidocr')} holds {len(models)} models for {task!r}, not one"
        raise RuntimeError(message)
    return models[0]


def _scaled(image: Image, scale: float) -> Pixels:
    """Return a scaled copy of an RGB image as BGR, the order in which the models see colours."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap
    from PIL import Image as PillowImage  # noqa: PLC0415

    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    scaled = image if size == image.size else image.resize(size, PillowImage.Resampling.LANCZOS, reducing_gap=3.0)
    return np.ascontiguousarray(np.asarray(scaled)[:, :, ::-1])


def _canvas(pixels: Pixels) -> tuple[Pixels, NDArray[np.float64]]:
    """Centre pixels on a canvas that is neither narrow nor of odd size, for the detector.

    Returns the canvas, and where the pixels' corner lies on it.
    """
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

    size = (pixels.shape[1], pixels.shape[0])
    width, height = (max(math.ceil(max(side, max(size) / NARROWEST) / 32) * 32, 64) for side in size)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    canvas = np.full((height, width, 3), np.median(border, axis=0), dtype=np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = pixels
    return canvas, np.array([left, top], dtype=np.float64)


def _beside(boxes: Quad, others: Quad) -> Quad:
    """Return the boxes that lie beside all others: the bounds share at most a fifth of the lesser area with each."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

    low, high = boxes.min(axis=1)[:, None], boxes.max(axis=1)[:, None]
    other_low, other_high = others.min(axis=1)[None], others.max(axis=1)[None]
    shared = np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None).prod(axis=2)
    lesser = np.minimum((high - low).prod(axis=2), (other_high - other_low).prod(axis=2))
    beside: Quad = boxes[(shared <= 0.2 * lesser).all(axis=1)]
    return beside


def _is_tall(box: Quad) -> bool:
    """Whether the engine has turned the box's crop a quarter counter-clockwise: the engine's own rule."""
    width, height = _extent(box)
    return int(height) / int(width) >= TALL


def _extent(box: Quad) -> tuple[float, float]:
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

    sides = np.linalg.norm(box - np.roll(box, -1, axis=0), axis=1)
    return float(max(sides[0], sides[2])), float(max(sides[1], sides[3]))


def _directions(box: Quad) -> tuple[int, ...]:
    """Tell in which directions a box's text can run, as quarter turns clockwise."""
    if not _is_tall(box):
        return (0, 2)
    width, height = _extent(box)
    return (1, 3) if height >= VERY_TALL * width else (1, 3, 0)


def _best(readings: dict[int, Reading], page: int | None = None) -> tuple[int, Reading]:
    """Choose the surest reading, or the one in the page's direction unless it is clearly worse."""
    turns, best = max(readings.items(), key=lambda entry: (entry[1].confidence, -entry[0]))
    if page in readings and readings[page].confidence >= best.confidence - PREFERENCE:
        return page, readings[page]
    return turns, best


def _squeezed(crop: Pixels) -> Pixels:
    """Return the crop, at most LONGEST_LINE times as wide as high."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap
    from PIL import Image as PillowImage  # noqa: PLC0415

    height, width = crop.shape[:2]
    longest = round(height * LONGEST_LINE)
    return crop if width <= longest else np.asarray(PillowImage.fromarray(crop).resize((longest, height)))
