"""Small pictures for the terminal: each character shows two pixels, one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageOps
from rich.color import Color
from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UPPER_HALF = "▀"
BLOCK = "██"


def thumbnail(path: Path, columns: int, most_rows: int) -> Text:
    """Show a picture upright, at most so many characters wide and high."""
    with Image.open(path) as stored:
        image = ImageOps.exif_transpose(stored).convert("RGB")
    image.thumbnail((columns, 2 * most_rows), Image.Resampling.LANCZOS)
    width, height = image.width, image.height - image.height % 2
    pixels = image.tobytes()
    rows = [_row(pixels[3 * width * y :], width) for y in range(0, height, 2)]
    return Text("\n", no_wrap=True).join(rows)


def _row(pixels: bytes, width: int) -> Text:
    row = Text()
    for x in range(width):
        upper, lower = pixels[3 * x : 3 * x + 3], pixels[3 * (width + x) : 3 * (width + x) + 3]
        row.append(UPPER_HALF, Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
    return row


def palette(colours: Sequence[str], *, coloured: bool) -> Text:
    """Show colours ("#rrggbb") as blocks, or their names where there are no colours to be had."""
    if not coloured:
        return Text(" ".join(colours))
    return Text.assemble(*((BLOCK, colour) for colour in colours))
