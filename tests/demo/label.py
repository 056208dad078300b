"""A parcel label with text and a QR code, made up anew in each run, so that its content cannot be known before."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import segno
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    import random

WIDTH, HEIGHT = 1120, 600
MARGIN = 60
QR_SIDE = 400
INK, PAPER, BAND = (24, 28, 36), (250, 248, 242), (15, 98, 106)
TURNED = 6
"""EXIF orientation of a camera held upright: the stored picture is seen right when turned a quarter clockwise."""
EXIF_ORIENTATION = 0x0112
EXIF_CAMERA = 0x0110
TOWNS = ("Lisbon", "Utrecht", "Bergen", "Ghent", "Tallinn", "Verona")
PEOPLE = ("Ada Lovelace", "Emmy Noether", "Alan Turing", "Grace Hopper", "Maria Mitchell")


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on a label: its lines from the top, and the content of its QR code."""

    lines: tuple[str, ...]
    code: str


def make_label(source: random.Random) -> Label:
    """Make up a parcel."""
    parcel = f"{source.randrange(1000, 10_000)} {source.randrange(1000, 10_000)}"
    lines = ("HANDLE WITH CARE", source.choice(PEOPLE), f"Harbour Street {source.randrange(10, 100)}",
             source.choice(TOWNS), f"Parcel {parcel}", f"Weight {source.randrange(2, 30)} kg")  # fmt: skip
    return Label(lines, f"https://parcels.example/{parcel.replace(' ', '-')}")


def draw(label: Label) -> Image.Image:
    """Draw a label: a band with the first line, the other lines below, the QR code at the right."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, WIDTH - 1, HEIGHT - 1), outline=BAND, width=6)
    pen.rectangle((0, 0, WIDTH, 110), fill=BAND)
    pen.text((MARGIN, 55), label.lines[0], PAPER, ImageFont.load_default(56), anchor="lm")
    for index, line in enumerate(label.lines[1:]):
        pen.text((MARGIN, 180 + 84 * index), line, INK, ImageFont.load_default(50), anchor="lm")
    image.paste(draw_code(label.code), (WIDTH - MARGIN - QR_SIDE + 20, 150))
    return image


def draw_code(content: str) -> Image.Image:
    """Draw a QR code with a quiet zone around it."""
    buffer = io.BytesIO()
    segno.make(content, error="m", micro=False).save(buffer, kind="png", scale=10, border=4)
    code = Image.open(buffer).convert("RGB")
    return code.resize((QR_SIDE, QR_SIDE), Image.Resampling.NEAREST)


def as_png(image: Image.Image) -> bytes:
    """Encode an image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def as_turned_jpeg(image: Image.Image) -> bytes:
    """Encode an image as a camera held upright does: a JPEG file on its side, with the EXIF note how to turn it."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = TURNED
    exif[EXIF_CAMERA] = "Demo camera"
    buffer = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=88, exif=exif)
    return buffer.getvalue()
