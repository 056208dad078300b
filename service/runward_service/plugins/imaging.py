"""Decoding a caller's image safely, for plugins. Runs in worker processes alone."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
"""The most pixels that are decoded: 400 MB as RGB, since Pillow keeps four bytes for such a pixel."""

PILLOW_FORMATS = {
    "image/png": ("PNG",),
    "image/jpeg": ("JPEG", "MPO"),
    "image/gif": ("GIF",),
    "image/bmp": ("BMP", "DIB"),
    "image/tiff": ("TIFF",),
    "image/webp": ("WEBP",),
    "image/avif": ("AVIF",),
}
"""The decoders tried for each type, so that a mislabelled file never reaches a rarely used one."""

DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders and metadata readers raise on damaged data: they check little before they unpack. Running out
of memory is not among them; that is the worker's limit to report."""


def open_image(data: bytes, mime_type: str) -> Image:
    """Decode an image upright and whole; see Payload.open_image.

    Raises InvalidInput when it is damaged, cut off, of another type, or has more than MAX_PIXELS pixels.
    """
    return decode(data, mime_type)[0]


def decode(data: bytes, mime_type: str) -> tuple[Image, int]:
    """Decode an image whole and turn it upright.

    Returns the image, of the stored mode and format, and the orientation that it was stored in: EXIF's 1 to 8, where 1
    is upright, and 5 to 8 have width and height exchanged. Animations and files of several pages give their first.
    Raises as open_image does.
    """
    from runward_service.plugins.base import InvalidInput  # noqa: PLC0415 - base imports this module

    # Pillow warns of what is odd in the caller's file; a run says so in its output or not at all.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _identify(data, mime_type)
        # A TIFF is turned, and forgets how it lay, while it is loaded.
        orientation = _orientation(image) if image.format == "TIFF" else None
        try:
            image.load()
        except DECODER_ERRORS as error:
            details = {"mime_type": mime_type, "size_bytes": len(data)}
            raise InvalidInput("The image is damaged or cut off.", details) from error
        if orientation is None:
            orientation = _orientation(image)
            _turn_upright(image)
    return image, orientation


def _identify(data: bytes, mime_type: str) -> Image:
    """Read the header: an image whose pixels are not decoded yet and are few enough to be."""
    from PIL import Image as PillowImage  # noqa: PLC0415 - the SDK's import stays cheap

    from runward_service.plugins.base import InvalidInput  # noqa: PLC0415 - base imports this module

    too_large = f"The image has too many pixels; at most {MAX_PIXELS} are decoded."
    try:
        image = PillowImage.open(io.BytesIO(data), formats=_decoders(mime_type))
    except PillowImage.DecompressionBombError as error:
        # Pillow's own, higher limit, met while it reads the header.
        raise InvalidInput(too_large, {"limit_pixels": MAX_PIXELS}) from error
    except DECODER_ERRORS as error:
        raise InvalidInput(f"The image cannot be read as {mime_type}.", {"mime_type": mime_type}) from error
    width, height = image.size
    details = {"width": width, "height": height, "limit_pixels": MAX_PIXELS}
    if width * height > MAX_PIXELS:
        raise InvalidInput(too_large, details)
    if width < 1 or height < 1:
        raise InvalidInput("The image has no pixels.", details)
    return image


def _decoders(mime_type: str) -> tuple[str, ...]:
    """Name the decoders for a type; none for a type that Pillow does not know."""
    from PIL import Image as PillowImage  # noqa: PLC0415 - the SDK's import stays cheap

    if mime_type in PILLOW_FORMATS:
        return PILLOW_FORMATS[mime_type]
    PillowImage.init()
    return tuple(name for name, registered in PillowImage.MIME.items() if registered == mime_type)


def _orientation(image: Image) -> int:
    """Read the EXIF orientation; 1 where there is none that can be read."""
    from PIL import ExifTags  # noqa: PLC0415 - the SDK's import stays cheap

    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except DECODER_ERRORS:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _turn_upright(image: Image) -> None:
    """Turn the image's pixels in place, which spares a second copy where they lie upright already."""
    from PIL import ImageOps  # noqa: PLC0415 - the SDK's import stays cheap

    try:
        ImageOps.exif_transpose(image, in_place=True)
    except DECODER_ERRORS:
        # The pixels are turned before the EXIF data is written again, which is what fails; where it could not even be
        # read, it says nothing about the orientation.
        return
