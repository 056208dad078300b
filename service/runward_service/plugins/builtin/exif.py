"""The part of an image's EXIF data that is worth telling, in bounds and fit for JSON."""

from __future__ import annotations

import math
import re
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runward_service.plugins.imaging import DECODER_ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

LONGEST_TEXT = 200
LARGEST_INTEGER = 2**53

EXPOSURE_PROGRAMS = {
    1: "manual",
    2: "normal",
    3: "aperture priority",
    4: "shutter priority",
    5: "creative",
    6: "action",
    7: "portrait",
    8: "landscape",
}
METERING_MODES = {1: "average", 2: "center-weighted", 3: "spot", 4: "multi-spot", 5: "pattern", 6: "partial"}


def read_exif(image: Image) -> tuple[str, dict[str, Any] | None]:
    """Read a decoded image's EXIF data.

    Returns ("absent", None), ("read", fields), or ("damaged", fields) with what could be read, None if nothing. Every
    field is there, None where the image does not tell it or tells nonsense. docs/plugins.md describes the fields.
    """
    from PIL import ExifTags  # noqa: PLC0415 - importing a plugin stays cheap
    from PIL.Image import Exif  # noqa: PLC0415

    damaged = False
    ifds: list[Mapping[int, Any]] = [{}, {}, {}]
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        try:
            raw = image.info.get("exif")
            exif = Exif() if isinstance(raw, bytes) else image.getexif()
            if isinstance(raw, bytes):
                # Parsed anew: the image's own reader complains only once, which was while it was turned upright.
                exif.load(raw)
            ifds[0] = dict(exif)
            ifds[1] = dict(exif.get_ifd(ExifTags.IFD.Exif))
            ifds[2] = dict(exif.get_ifd(ExifTags.IFD.GPSInfo))
        except DECODER_ERRORS:
            damaged = True
    fields = {**_camera(ifds[0], ifds[1]), **_exposure(ifds[1]), "gps": _position(ifds[2])}
    if all(value is None for value in fields.values()):
        return ("damaged" if damaged or complaints else "absent"), None
    return ("damaged" if damaged or complaints else "read"), fields


def text(value: object) -> str | None:
    """Return a metadata text in bounds: no control characters, no lone surrogates, at most 200 characters."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    value = value.split("\0", 1)[0]
    try:
        # EXIF text is ASCII by the book, UTF-8 in practice, and Pillow reads it as Latin-1.
        value = value.encode("latin-1").decode()
    except UnicodeError:
        value = value.encode("utf-8", "replace").decode()
    return re.sub(r"[\x00-\x1f\x7f-\x9f\s]+", " ", value).strip()[:LONGEST_TEXT].strip() or None


def number(value: object, *, least: float = -1e15, greatest: float = 1e15, digits: int = 7) -> float | None:
    """Return a metadata number as a float, None where it is not finite or out of bounds."""
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ArithmeticError):
        return None
    return round(result, digits) if math.isfinite(result) and least <= result <= greatest else None


def _integer(value: object) -> int | None:
    result = number(value, least=0, greatest=LARGEST_INTEGER)
    return None if result is None else int(result)


def _camera(main: Mapping[int, Any], detail: Mapping[int, Any]) -> dict[str, Any]:
    """Tell what took the picture, when, and whose it is."""
    from PIL.ExifTags import Base  # noqa: PLC0415 - importing a plugin stays cheap

    return {
        "camera_make": text(main.get(Base.Make)),
        "camera_model": text(main.get(Base.Model)),
        "lens_make": text(detail.get(Base.LensMake)),
        "lens_model": text(detail.get(Base.LensModel)),
        "software": text(main.get(Base.Software)),
        "description": text(main.get(Base.ImageDescription)),
        "artist": text(main.get(Base.Artist)),
        "copyright": text(main.get(Base.Copyright)),
        "taken_at": _time(detail.get(Base.DateTimeOriginal), detail.get(Base.OffsetTimeOriginal)),
        "modified_at": _time(main.get(Base.DateTime), detail.get(Base.OffsetTime)),
    }


def _exposure(detail: Mapping[int, Any]) -> dict[str, Any]:
    """Tell how the picture was taken."""
    from PIL.ExifTags import Base  # noqa: PLC0415 - importing a plugin stays cheap

    flash = _integer(detail.get(Base.Flash))
    return {
        "exposure_seconds": number(detail.get(Base.ExposureTime), least=0),
        "f_number": number(detail.get(Base.FNumber), least=0),
        "iso": _integer(detail.get(Base.ISOSpeedRatings)),
        "exposure_bias_ev": number(detail.get(Base.ExposureBiasValue)),
        "exposure_program": EXPOSURE_PROGRAMS.get(_integer(detail.get(Base.ExposureProgram)) or 0),
        "metering_mode": METERING_MODES.get(_integer(detail.get(Base.MeteringMode)) or 0),
        "flash_fired": None if flash is None else bool(flash & 1),
        "focal_length_mm": number(detail.get(Base.FocalLength), least=0),
        "focal_length_35mm": _integer(detail.get(Base.FocalLengthIn35mmFilm)),
    }


def _time(value: object, offset: object) -> str | None:
    """Return an EXIF time as ISO 8601, with the offset from UTC where the camera wrote one."""
    stamp, zone = text(value), text(offset)
    try:
        moment = datetime.strptime(stamp or "", "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    known = zone is not None and re.fullmatch(r"[+-]\d\d:\d\d|Z", zone)
    return moment.isoformat() + (zone or "" if known else "")


def _position(gps: Mapping[int, Any]) -> dict[str, Any] | None:
    """Tell where the picture was taken: WGS 84 degrees, north and east positive; metres above sea level."""
    from PIL.ExifTags import GPS  # noqa: PLC0415 - importing a plugin stays cheap

    latitude = _degrees(gps.get(GPS.GPSLatitude), gps.get(GPS.GPSLatitudeRef), "S", 90)
    longitude = _degrees(gps.get(GPS.GPSLongitude), gps.get(GPS.GPSLongitudeRef), "W", 180)
    if latitude is None or longitude is None:
        return None
    altitude = number(gps.get(GPS.GPSAltitude), digits=2)
    below = gps.get(GPS.GPSAltitudeRef) in {1, b"\x01"}
    return {
        "latitude": latitude,
        "longitude": longitude,
        "altitude_m": -altitude if altitude is not None and below else altitude,
    }


def _degrees(value: object, reference: object, negative: str, limit: int) -> float | None:
    """Add up degrees, minutes and seconds."""
    if not isinstance(value, tuple) or not 1 <= len(value) <= 3:
        return None
    parts = [number(part, least=0, digits=12) for part in value]
    if None in parts:
        return None
    total = sum((part or 0.0) / (1, 60, 3600)[power] for power, part in enumerate(parts))
    if total > limit:
        return None
    return round(-total if (text(reference) or "").upper() == negative else total, 7)
