"""What can be told about an image without understanding it."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from runward_service.plugins.base import MEBIBYTE, Payload, Plugin, RunContext
from runward_service.plugins.builtin.colours import dominant_colours
from runward_service.plugins.builtin.exif import number, read_exif, text
from runward_service.plugins.builtin.options import completed
from runward_service.plugins.builtin.pixels import luminance, shrunk
from runward_service.plugins.imaging import DECODER_ERRORS, PILLOW_FORMATS, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

BLUR_SIDE = 1024
"""Longest side, in pixels, of the copy on which blur is measured, so that a camera's resolution counts little."""
LONGEST_SIDE = 20_000
BLURRED_BELOW, SOFT_BELOW = 30.0, 100.0
FLAT_BELOW = 0.01
"""Contrast under which there is nothing in the image that could be sharp."""
ANIMATIONS = {"GIF", "PNG", "WEBP", "AVIF"}


class ImageInfo(Plugin):
    """Dimensions, metadata, colours, sharpness, exposure and perceptual hashes of an image."""

    name = "image_info"
    version = "1.0.0"
    description = "Dimensions, EXIF data, dominant colours, blur and exposure measures, and perceptual hashes."
    mime_types = tuple(PILLOW_FORMATS)
    options_schema: ClassVar[Mapping[str, Any]] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "colours": {
                "type": "integer",
                "minimum": 0,
                "maximum": 16,
                "default": 5,
                "description": "How many dominant colours to tell at most.",
            },
            "exif": {
                "type": "boolean",
                "default": True,
                "description": "Whether to tell the EXIF data, which can hold a place and names.",
            },
        },
    }
    timeout = 30.0
    memory_bytes = 1536 * MEBIBYTE
    concurrency = 2
    cacheable = True
    requires: ClassVar[Mapping[str, str]] = {
        "PIL": "pillow",
        "numpy": "numpy",
        "imagehash": "imagehash",
    }
    install_hint = "pip install 'runward[plugins]'"

    def setup(self) -> None:
        """Load the libraries."""
        import imagehash  # noqa: PLC0415 - importing a plugin stays cheap
        from PIL import Image as PillowImage  # noqa: PLC0415

        # The first hash loads parts of SciPy.
        imagehash.phash(PillowImage.new("L", (32, 32)))

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Analyse one image; docs/plugins.md describes the output."""
        options = completed(self.options_schema, payload.options)
        context.progress(0.0, "decoding")
        image, orientation = decode(payload.image, payload.mime_type)
        result = _stored(image, orientation)
        status, exif = read_exif(image) if options["exif"] else ("not requested", None)
        result |= {"size_bytes": len(payload.image), "exif_status": status, "exif": exif}
        context.progress(0.4, "measuring")
        result |= _measures(image)
        context.progress(0.8, "colours")
        result["dominant_colours"] = dominant_colours(image, options["colours"])
        # Counted last, for counting moves an animation to its other frames.
        frames = _frames(image)
        return {**result, "animated": frames > 1 and image.format in ANIMATIONS, "frames": frames}


def _stored(image: Image, orientation: int) -> dict[str, Any]:
    """Tell what the file itself states."""
    width, height = image.size
    turned = orientation >= 5
    return {
        "width": width,
        "height": height,
        "stored_width": height if turned else width,
        "stored_height": width if turned else height,
        "format": image.format,
        "mode": image.mode,
        "has_alpha": image.has_transparency_data,
        "orientation": {"exif": orientation, "applied": orientation != 1},
        "icc_profile": _icc_profile(image),
        "dpi": _resolution(image),
    }


def _measures(image: Image) -> dict[str, Any]:
    """Measure what is computed from the luminance of all pixels."""
    grey = luminance(image)
    exposure = _exposure(grey)
    # Resampling takes memory by the longest side; no camera's picture is shrunk here.
    bounded = shrunk(grey, LONGEST_SIDE)
    return {"exposure": exposure, "blur": _blur(bounded, exposure["contrast"]), "hashes": _hashes(bounded)}


def _frames(image: Image) -> int:
    """Count the frames or pages; those after a damaged one are not found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return max(1, int(getattr(image, "n_frames", 1)))
        except DECODER_ERRORS:
            return max(1, image.tell())


def _icc_profile(image: Image) -> str | None:
    """Name the embedded colour profile."""
    from PIL import ImageCms  # noqa: PLC0415 - importing a plugin stays cheap

    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return None
    try:
        return text(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))))
    except (ImageCms.PyCMSError, *DECODER_ERRORS):
        return None


def _resolution(image: Image) -> list[float] | None:
    """Tell the pixels per inch across and down, where the file says so."""
    stated = image.info.get("dpi")
    if not isinstance(stated, tuple) or len(stated) != 2:
        return None
    across, down = (number(value, least=0.01, greatest=1e6, digits=2) for value in stated)
    return None if across is None or down is None else [across, down]


def _exposure(grey: Image) -> dict[str, float]:
    """Measure brightness over all pixels: luminance from 0 (black) to 1 (white)."""
    counts = grey.histogram()
    total = sum(counts)
    mean = sum(value * count for value, count in enumerate(counts)) / total
    variance = sum((value - mean) ** 2 * count for value, count in enumerate(counts)) / total
    return {
        "mean_luminance": round(mean / 255, 4),
        "contrast": round(variance**0.5 / 255, 4),
        "clipped_shadows": round(sum(counts[:3]) / total, 4),
        "clipped_highlights": round(sum(counts[253:]) / total, 4),
    }


def _blur(grey: Image, contrast: float) -> dict[str, Any]:
    """Measure sharpness: the variance of the Laplacian of the luminance."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

    values = np.asarray(shrunk(grey, BLUR_SIDE), dtype=np.float32)
    if min(values.shape) < 3 or contrast < FLAT_BELOW:
        return {"laplacian_variance": 0.0, "verdict": "featureless"}
    inner = values[1:-1, 1:-1]
    edges = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:] - 4 * inner
    variance = float(np.var(edges, dtype=np.float64))
    verdict = "blurred" if variance < BLURRED_BELOW else "soft" if variance < SOFT_BELOW else "sharp"
    return {"laplacian_variance": round(variance, 2), "verdict": verdict}


def _hashes(grey: Image) -> dict[str, str]:
    """Compute 64-bit perceptual hashes: similar images differ in few bits."""
    import imagehash  # noqa: PLC0415 - importing a plugin stays cheap

    return {
        "phash": str(imagehash.phash(grey)),
        "dhash": str(imagehash.dhash(grey)),
        "average": str(imagehash.average_hash(grey)),
    }
