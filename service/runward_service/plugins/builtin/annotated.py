"""A picture with what was found in it drawn over it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

NAME, MIME_TYPE = "annotated.jpg", "image/jpeg"
LONGEST_SIDE = 2560
"""The longest side of such a picture, in pixels."""
INK, GROUND = (214, 0, 92), (255, 255, 255)
QUALITY = 90
LEAST_LETTERS = 12


def annotated(picture: Image, boxes: Sequence[Sequence[Sequence[float]]]) -> bytes:
    """Return a picture (mode RGB) as a JPEG file with boxes drawn and numbered from 1, each of four corners in pixels.

    The same picture and boxes give the same bytes, with one release of Pillow.
    """
    from PIL import ImageDraw  # noqa: PLC0415 - importing a plugin stays cheap

    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    width = max(2, max(drawn.size) // 500)
    for number, box in enumerate(boxes, 1):
        corners = [(float(x), float(y)) for x, y in box]
        # Light around dark, so that it can be seen on any ground.
        pen.line([*corners, corners[0], corners[1]], fill=GROUND, width=3 * width, joint="curve")
        pen.line([*corners, corners[0], corners[1]], fill=INK, width=width, joint="curve")
        _number(pen, number, corners[0], max(LEAST_LETTERS, max(drawn.size) // 80))
    file = io.BytesIO()
    drawn.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def _number(pen: ImageDraw, number: int, corner: tuple[float, float], height: int) -> None:
    """Write a number above a corner, or below where there is no room."""
    from PIL import ImageFont  # noqa: PLC0415 - importing a plugin stays cheap

    font = ImageFont.load_default(height)
    left, top, right, bottom = pen.textbbox((0, 0), str(number), font=font)
    x, y = corner[0], corner[1] - (bottom - top) - 6
    y = y if y >= 0 else corner[1] + 2
    pen.rectangle((x, y, x + (right - left) + 6, y + (bottom - top) + 4), fill=INK)
    pen.text((x + 3 - left, y + 2 - top), str(number), fill=GROUND, font=font)
