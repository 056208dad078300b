"""The pictures: photographs and scans as scikit-image's wheel brings them, pieces of those, and drawn ones."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from importlib import resources
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont
from skimage.data import lfw_subset

from tests.demo.label import as_png, as_turned_jpeg, draw, make_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUFFIXES = (".png", ".jpg", ".gif", ".tif")
FACES = 20
SMALLEST, LARGEST = 120, 480
"""The sides of pieces and of drawn pictures, in pixels."""
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
WORDS = (
    "total",
    "amount due",
    "invoice",
    "4711",
    "net weight",
    "lot",
    "best before",
    "fragile",
    "keep dry",
    "this side up",
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's file, where it is from (``real`` or ``generated``), and what it is called in reports."""

    kind: str
    name: str
    data: bytes


def pictures(count: int, seed: int) -> list[Picture]:
    """As many pictures, half of them real, all different; the same for the same seed."""
    seen: set[bytes] = set()
    real = islice(new(real_pictures(random.Random(seed)), seen), count - count // 2)
    generated = islice(new(generated_pictures(random.Random(seed)), seen), count // 2)
    return [picture for pair in zip_longest(real, generated) for picture in pair if picture is not None]


def new(made: Iterator[Picture], seen: set[bytes]) -> Iterator[Picture]:
    """The pictures that were not seen before."""
    for picture in made:
        if picture.data not in seen:
            seen.add(picture.data)
            yield picture


def real_pictures(source: random.Random) -> Iterator[Picture]:
    """Every picture of scikit-image's wheel, some of its faces, then pieces of its photographs for ever."""
    folder = resources.files("skimage").joinpath("data")
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(SUFFIXES)), key=lambda entry: entry.name)
    for file in files:
        yield Picture("real", file.name, file.read_bytes())
    for number, face in enumerate(lfw_subset()[:FACES]):
        image = Image.fromarray((face * 255).astype("uint8"))
        yield Picture("real", f"face {number}", encoded(image, "PNG"))
    photographs = [file for file in files if not file.name.endswith(".tif")]
    while True:
        file = source.choice(photographs)
        with file.open("rb") as opened:
            image = Image.open(opened).convert("RGB")
        sides = [min(source.randint(SMALLEST, LARGEST), side) for side in image.size]
        left, top = (source.randint(0, whole - side) for whole, side in zip(image.size, sides, strict=True))
        piece = image.crop((left, top, left + sides[0], top + sides[1]))
        kind = source.choice(FORMATS)
        yield Picture("real", f"{file.name} {sides[0]}x{sides[1]}+{left}+{top} {kind}", encoded(piece, kind))


def generated_pictures(source: random.Random) -> Iterator[Picture]:
    """Parcel labels, lines of text, shapes, noise and gradients, for ever."""
    number = 0
    while True:
        for name, make in MAKERS.items():
            yield Picture("generated", f"{name} {number}", make(source))
            number += 1


def label(source: random.Random) -> bytes:
    """A parcel label with text and a QR code."""
    return as_png(draw(make_label(source)))


def turned_label(source: random.Random) -> bytes:
    """One on its side, with the note how to turn it."""
    return as_turned_jpeg(draw(make_label(source)))


def text(source: random.Random) -> bytes:
    """Lines of words, a little askew."""
    image = Image.new("RGB", (LARGEST, 40 * source.randint(2, 8)), "white")
    pen = ImageDraw.Draw(image)
    for top in range(8, image.height - 20, 40):
        line = " ".join(source.choices(WORDS, k=source.randint(1, 4)))
        pen.text((10, top), line, "black", ImageFont.load_default(source.randint(14, 28)))
    return encoded(image.rotate(source.uniform(-3, 3), fillcolor="white"), source.choice(FORMATS))


def shapes(source: random.Random) -> bytes:
    """Circles and boxes in any colours."""
    image = Image.new("RGB", size(source), colour(source))
    pen = ImageDraw.Draw(image)
    for _ in range(source.randint(1, 30)):
        left, top = source.randint(0, image.width - 2), source.randint(0, image.height - 2)
        box = (left, top, source.randint(left + 1, image.width), source.randint(top + 1, image.height))
        (pen.ellipse if source.random() < 0.5 else pen.rectangle)(box, fill=colour(source))
    return encoded(image, source.choice(FORMATS))


def noise(source: random.Random) -> bytes:
    """A colour for each pixel."""
    width, height = size(source)
    return encoded(Image.frombytes("RGB", (width, height), source.randbytes(3 * width * height)), "PNG")


def gradient(source: random.Random) -> bytes:
    """From one grey to another, turned."""
    image = Image.linear_gradient("L").resize(size(source)).rotate(source.uniform(0, 360))
    return encoded(image, source.choice(FORMATS))


MAKERS: dict[str, Callable[[random.Random], bytes]] = {
    "label": label,
    "turned label": turned_label,
    "text": text,
    "shapes": shapes,
    "noise": noise,
    "gradient": gradient,
}


def size(source: random.Random) -> tuple[int, int]:
    """A size."""
    return source.randint(SMALLEST, LARGEST), source.randint(SMALLEST, LARGEST)


def colour(source: random.Random) -> tuple[int, int, int]:
    """A colour."""
    return source.randrange(256), source.randrange(256), source.randrange(256)


def encoded(image: Image.Image, kind: str) -> bytes:
    """An image's file in a format."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()
