"""Any image as 8-bit pixels, which is what analyses work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

WITH_ALPHA = ("LA", "RGBA")
STRIP_ROWS = 256
BRIGHT = 127
"""A picture whose visible part has a mean luminance above this (0 to 255) is laid over black instead of white."""


def eight_bit(image: Image) -> Image:
    """Return the image as L, LA, RGB or RGBA; itself where it is one of these.

    The high byte stands for a 16-bit value; 32-bit and floating values are stretched from their least to their
    greatest. CMYK and other colour spaces become RGB without regard to an ICC profile.
    """
    mode = image.mode
    if mode in WITH_ALPHA or (mode in {"L", "RGB"} and not image.has_transparency_data):
        return image
    if mode in {"1", "L"}:
        return image.convert("LA" if image.has_transparency_data else "L")
    if mode.startswith("I") or mode == "F":
        return _scaled_values(image)
    if mode == "LAB":
        from PIL import ImageCms  # noqa: PLC0415 - importing a plugin stays cheap

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted: Any = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        return converted  # type: ignore[no-any-return]
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def luminance(image: Image) -> Image:
    """Return the image in grey (mode L, ITU-R 601 weights), transparent areas filled as flattened does."""
    base = eight_bit(image)
    grey = base.convert("L")
    return _filled(grey, grey, base.getchannel("A")) if base.mode in WITH_ALPHA else grey


def flattened(image: Image) -> Image:
    """Return the image in colour (mode RGB), transparent areas filled: white, or black under a bright picture."""
    base = eight_bit(image)
    colour = base.convert("RGB")
    return _filled(colour, base.convert("L"), base.getchannel("A")) if base.mode in WITH_ALPHA else colour


def shrunk(image: Image, longest: int) -> Image:
    """Return the image as eight_bit does, its longest side at most the given number of pixels, by area averaging."""
    from PIL import Image as PillowImage  # noqa: PLC0415 - importing a plugin stays cheap

    base = eight_bit(image)
    factor = longest / max(base.size)
    if factor >= 1:
        return base
    size = (max(1, round(base.width * factor)), max(1, round(base.height * factor)))
    return base.resize(size, PillowImage.Resampling.BOX, reducing_gap=3.0)


def _filled(picture: Image, grey: Image, alpha: Image) -> Image:
    """Lay the picture, whose luminance is given, over the backdrop that it stands out from."""
    from PIL import Image as PillowImage  # noqa: PLC0415 - importing a plugin stays cheap

    visible = grey.histogram(alpha.point(lambda value: 255 if value > BRIGHT else 0))
    total = sum(visible)
    mean = sum(value * count for value, count in enumerate(visible)) / total if total else 0.0
    backdrop = PillowImage.new(picture.mode, picture.size, "black" if mean > BRIGHT else "white")
    return PillowImage.composite(picture, backdrop, alpha)


def _scaled_values(image: Image) -> Image:
    """Bring values of more than eight bits to eight."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap
    from PIL import Image as PillowImage  # noqa: PLC0415

    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return PillowImage.fromarray((values >> 8).astype(np.uint8))
    # In strips of rows, for a hundred megapixels of floating numbers are too many to hold twice.
    strips = [values[row : row + STRIP_ROWS] for row in range(0, len(values), STRIP_ROWS)]
    ranges = [(part.min(), part.max()) for strip in strips if (part := strip[np.isfinite(strip)]).size]
    least = float(min((low for low, _ in ranges), default=0.0))
    greatest = float(max((high for _, high in ranges), default=0.0))
    factor = 255 / ((greatest - least) or 1.0)
    result = np.zeros(values.shape, dtype=np.uint8)
    for index, strip in enumerate(strips):
        numbers = np.nan_to_num(strip, nan=least, posinf=greatest, neginf=least).astype(np.float64)
        result[index * STRIP_ROWS : (index + 1) * STRIP_ROWS] = np.clip((numbers - least) * factor, 0.0, 255.0)
    return PillowImage.fromarray(result)
