"""Pictures for the built-in plugins, and the one way to run a plugin on them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest
import skimage
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from runward_service.plugins.base import Payload, RunContext
from runward_service.plugins.builtin.barcode import Barcode
from runward_service.plugins.builtin.image_info import ImageInfo
from runward_service.plugins.builtin.ocr import Ocr
from runward_service.runtime.result_codec import encode_result
from runward_service.runtime.tool_runner import ToolRunner

if TYPE_CHECKING:
    from runward_service.plugins.base import Plugin

PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
MIME_TYPES = {"MPO": "image/jpeg"}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that is held in each EXIF orientation turns the upright picture."""


class Run(Protocol):
    """Runs a plugin on an image: a picture, which is written as ``file_format``, or a file's bytes."""

    def __call__(
        self, plugin: Plugin, image: Image.Image | bytes, file_format: str = "PNG", /, **options: Any
    ) -> dict[str, Any]: ...


class Pictures:
    """Where the tests' pictures come from: photographs that scikit-image ships, text and codes drawn here."""

    def photograph(self, name: str) -> Image.Image:
        """Open one of scikit-image's pictures."""
        with Image.open(PHOTOGRAPHS / name) as image:
            image.load()
            return image

    def file(self, name: str) -> bytes:
        """Read the file of one of scikit-image's pictures."""
        return (PHOTOGRAPHS / name).read_bytes()

    def encoded(self, image: Image.Image, file_format: str = "PNG", **parameters: Any) -> bytes:
        """Write a picture into bytes, with Pillow's parameters."""
        file = io.BytesIO()
        image.save(file, file_format, **parameters)
        return file.getvalue()

    def camera_file(self, image: Image.Image, orientation: int, file_format: str = "JPEG", **parameters: Any) -> bytes:
        """Write an upright picture as a camera in an EXIF orientation would."""
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = image.transpose(TURNS[orientation]) if orientation in TURNS else image
        return self.encoded(stored, file_format, exif=exif, **parameters)

    def text(self, size: tuple[int, int], *lines: tuple[int, int, str, int]) -> Image.Image:
        """Draw lines of text, each (x, y, text, height), black on white."""
        image = Image.new("RGB", size, "white")
        pen = ImageDraw.Draw(image)
        for x, y, text, height in lines:
            pen.text((x, y), text, fill="black", font=ImageFont.load_default(height))
        return image

    def code(self, content: str | bytes, code_format: str, scale: int = 4) -> Image.Image:
        """Draw a code with its quiet zone, of a format by zxing-cpp's name."""
        code = zxingcpp.create_barcode(content, getattr(zxingcpp.BarcodeFormat, code_format))
        symbol = Image.fromarray(np.array(code.to_image(scale=scale)))
        framed = Image.new("L", (symbol.width + 80, symbol.height + 80), 255)
        framed.paste(symbol, (40, 40))
        return framed


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    """Give the tests' pictures."""
    return Pictures()


@pytest.fixture(scope="session")
def run_plugin(pictures: Pictures) -> Run:
    """Run by ToolRunner's worker half, with options as keywords, and check that the result fits a message."""

    def run(plugin: Plugin, image: Image.Image | bytes, file_format: str = "PNG", /, **options: Any) -> dict[str, Any]:
        data = image if isinstance(image, bytes) else pictures.encoded(image, file_format)
        payload = Payload(data, MIME_TYPES.get(file_format, f"image/{file_format.lower()}"), options)
        output = ToolRunner.run_plugin(plugin, payload, RunContext("job", 1, lambda fraction, message: None))
        encode_result(output)
        return output

    return run


@pytest.fixture(scope="session")
def image_info() -> ImageInfo:
    """Set the plugin up, once."""
    plugin = ImageInfo()
    plugin.setup()
    return plugin


@pytest.fixture(scope="session")
def barcode() -> Barcode:
    """Set the plugin up, once."""
    plugin = Barcode()
    plugin.setup()
    return plugin


@pytest.fixture(scope="session")
def ocr() -> Ocr:
    """Set the plugin up, once."""
    plugin = Ocr()
    plugin.setup()
    return plugin
