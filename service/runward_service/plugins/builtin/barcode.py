"""The one- and two-dimensional codes in an image."""

from __future__ import annotations

import base64
import itertools
import json
from typing import TYPE_CHECKING, Any, ClassVar

from runward_service.plugins.base import MEBIBYTE, Payload, Plugin, RunContext
from runward_service.plugins.builtin import annotated as annotating
from runward_service.plugins.builtin.options import completed
from runward_service.plugins.builtin.pixels import flattened, luminance, shrunk
from runward_service.plugins.builtin.reading_order import bounds, rows
from runward_service.plugins.imaging import PILLOW_FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

FORMAT_GROUPS = ("AllReadable", "AllLinear", "AllMatrix", "AllRetail", "AllIndustrial", "AllGS1")
FORMATS = (
    *("Aztec", "AztecCode", "AztecRune", "Codabar", "Code128", "Code32", "Code39", "Code39Ext", "Code39Std", "Code93"),
    *("CompactPDF417", "DataBar", "DataBarExp", "DataBarExpStk", "DataBarLtd", "DataBarOmni", "DataBarStk"),
    *("DataBarStkOmni", "DataMatrix", "DXFilmEdge", "EAN13", "EAN8", "EANUPC", "ISBN", "ITF", "ITF14", "MaxiCode"),
    *("MicroPDF417", "MicroQRCode", "OtherBarcode", "PDF417", "PZN", "QRCode", "QRCodeModel1", "QRCodeModel2"),
    *("RMQRCode", "Telepen", "TelepenAlpha", "TelepenNumeric", "UPCA", "UPCE"),
)
"""What zxing-cpp 3 can read, by its own names."""
BINARIZERS = ("LocalAverage", "GlobalHistogram", "FixedThreshold", "BoolCast")
LONGEST_SIDE = 65_535
"""The library takes no longer images."""
MOST_BYTES = 2 * MEBIBYTE
"""What all codes take as JSON at most."""
TEXTUAL = {"Text", "GS1", "ISO15434"}


class Barcode(Plugin):
    """Read bar codes with zxing-cpp."""

    name = "barcode"
    version = "1.0.0"
    description = "Every bar code and matrix code (QR, Data Matrix, EAN, …) with its text, format and position."
    mime_types = tuple(PILLOW_FORMATS)
    options_schema: ClassVar[Mapping[str, Any]] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "formats": {
                "type": "array",
                "items": {"enum": [*FORMAT_GROUPS, *FORMATS]},
                "minItems": 1,
                "uniqueItems": True,
                "default": ["AllReadable"],
                "description": "The formats to look for; fewer are faster.",
            },
            "try_rotate": {
                "type": "boolean",
                "default": True,
                "description": "Whether to look for codes that are turned by 90 or 270 degrees too.",
            },
            "try_invert": {
                "type": "boolean",
                "default": True,
                "description": "Whether to look for light matrix codes on a dark ground too.",
            },
            "try_downscale": {
                "type": "boolean",
                "default": True,
                "description": "Whether to look in smaller copies too, which finds large and blurred codes.",
            },
            "binarizer": {
                "enum": list(BINARIZERS),
                "default": "LocalAverage",
                "description": "How grey becomes black or white.",
            },
            "pure": {
                "type": "boolean",
                "default": False,
                "description": "Whether the image is nothing but one upright, undistorted code; faster.",
            },
            "include_invalid": {
                "type": "boolean",
                "default": False,
                "description": "Whether to tell codes that were found but failed their check.",
            },
            "max_codes": {
                "type": "integer",
                "minimum": 1,
                "maximum": 255,
                "default": 100,
                "description": "How many codes to tell at most, the first in their order.",
            },
            "annotate": {
                "type": "boolean",
                "default": False,
                "description": "Whether to give the picture back with the codes drawn in, numbered in their order.",
            },
        },
    }
    timeout = 60.0
    memory_bytes = 1536 * MEBIBYTE
    concurrency = 2
    cacheable = True
    requires: ClassVar[Mapping[str, str]] = {"PIL": "pillow", "numpy": "numpy", "zxingcpp": "zxing-cpp"}
    install_hint = "pip install 'runward[plugins]'"

    _zxing: ModuleType
    _formats: Mapping[str, Any]

    def setup(self) -> None:
        """Load the library. Raises AttributeError for a release that lacks a format."""
        import zxingcpp  # noqa: PLC0415 - importing a plugin stays cheap
        from PIL import Image  # noqa: F401, PLC0415

        self._zxing = zxingcpp
        self._formats = {name: getattr(zxingcpp.BarcodeFormat, name) for name in (*FORMAT_GROUPS, *FORMATS)}

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Look for codes in one image; docs/plugins.md describes the output."""
        import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

        options = completed(self.options_schema, payload.options)
        context.progress(0.0, "decoding")
        image = payload.open_image()
        picture = flattened(shrunk(image, annotating.LONGEST_SIDE)) if options["annotate"] else None
        whole = luminance(image)
        del image
        grey = shrunk(whole, LONGEST_SIDE)
        context.progress(0.3, "looking for codes")
        found = self._zxing.read_barcodes(
            np.asarray(grey),
            formats=[self._formats[name] for name in options["formats"]],
            try_rotate=options["try_rotate"],
            try_downscale=options["try_downscale"],
            try_invert=options["try_invert"],
            binarizer=getattr(self._zxing.Binarizer, options["binarizer"]),
            is_pure=options["pure"],
            return_errors=options["include_invalid"],
        )
        scale = whole.width / grey.width, whole.height / grey.height
        codes = sorted((_described(code, scale) for code in found), key=lambda code: (code["format"], code["text"]))
        order = [index for row in rows([bounds(code["position"]) for code in codes]) for index in row]
        told = _fitting([codes[index] for index in order[: options["max_codes"]]])
        if picture is not None:
            context.progress(0.9, "drawing")
            x_scale, y_scale = picture.width / whole.width, picture.height / whole.height
            boxes = [[(x * x_scale, y * y_scale) for x, y in code["position"]] for code in told]
            context.artifact(annotating.NAME, annotating.annotated(picture, boxes), annotating.MIME_TYPE)
        return {
            "codes": told,
            "count": len(codes),
            "width": whole.width,
            "height": whole.height,
        }


def _fitting(codes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the last codes of those that hold more than a result can."""
    sizes = itertools.accumulate(len(json.dumps(code, ensure_ascii=False).encode()) for code in codes)
    return [code for code, size in zip(codes, sizes, strict=True) if size <= MOST_BYTES]


def _described(code: Any, scale: tuple[float, float]) -> dict[str, Any]:
    """Describe one of zxing-cpp's codes for JSON, its corners in pixels of the whole image."""
    position = code.position
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    content_type = code.content_type.name
    raw = None if content_type in TEXTUAL else base64.b64encode(code.bytes).decode("ascii")
    extra = code.extra if isinstance(code.extra, dict) else {}
    return {
        "text": code.text,
        "format": code.format.name,
        "symbology": code.symbology.name,
        "content_type": content_type,
        "bytes_base64": raw,
        "position": [[round(corner.x * scale[0]), round(corner.y * scale[1])] for corner in corners],
        "orientation": int(code.orientation),
        "ec_level": code.ec_level or None,
        "version": str(extra["Version"]) if "Version" in extra else None,
        "symbology_identifier": code.symbology_identifier,
        "valid": bool(code.valid),
        "error": None if code.error is None else code.error.type.name,
    }
