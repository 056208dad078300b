"""The pictures that the demo analyses: drawn ones, and photographs that scikit-image's wheel holds."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from tests.demo.label import Label, as_png, as_turned_jpeg, draw

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

PHOTOGRAPHS = ("coffee.png", "astronaut.png", "rocket.jpg", "page.png")


class MissingPictureError(Exception):
    """A photograph is not where it should be; the message tells what to do."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a file, and the label drawn on it, if one was."""

    path: Path
    label: Label | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


def make_pictures(folder: Path, label: Label) -> list[Picture]:
    """Draw the label upright and turned, and copy the photographs beside it. Raises MissingPictureError."""
    folder.mkdir()
    drawn = draw(label)
    pictures = [_written(folder / "label.png", as_png(drawn), label)]
    pictures.append(_written(folder / "label-turned.jpg", as_turned_jpeg(drawn), label))
    return pictures + [_written(folder / name, photograph(name).read_bytes()) for name in PHOTOGRAPHS]


def photograph(name: str) -> Traversable:
    """Find a photograph of scikit-image. Raises MissingPictureError."""
    found = resources.files("skimage").joinpath("data", name)
    if not found.is_file():
        raise MissingPictureError(f"scikit-image does not hold {name}. Install it anew: make clean, then make demo.")
    return found


def _written(path: Path, data: bytes, label: Label | None = None) -> Picture:
    path.write_bytes(data)
    return Picture(path, label)
