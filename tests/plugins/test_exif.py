"""The EXIF data that image_info tells, from sound, senseless and damaged files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

if TYPE_CHECKING:
    from runward_service.plugins.builtin.image_info import ImageInfo
    from tests.plugins.conftest import Pictures, Run


@pytest.fixture
def camera_exif() -> Image.Exif:
    """Build the EXIF data of a real-looking photograph."""
    exif = Image.Exif()
    exif.update(
        {
            0x010F: "Nikon\0",
            0x0110: "Z 6",
            0x0131: "Firmware 1.0",
            0x0132: "2024:05:18 09:00:00",
            0x8298: "© Ada".encode(),
        }
    )
    exif.update({0x010E: "Harbour   at\n dusk", 0x013B: "Ada"})
    details = exif.get_ifd(0x8769)
    details.update(
        {0x829A: IFDRational(1, 125), 0x829D: IFDRational(28, 10), 0x8827: 400, 0x9204: IFDRational(-1, 3), 0x8822: 3}
    )
    details.update({0x9003: "2024:05:17 21:34:56", 0x9011: "+02:00", 0x9207: 5, 0x9209: 0x19, 0x920A: IFDRational(50)})
    details.update({0xA405: 75, 0xA433: "Nikon", 0xA434: "NIKKOR Z 50mm f/1.8"})
    place = exif.get_ifd(0x8825)
    place.update({1: "N", 2: (52.0, 31.0, 12.0), 3: "W", 4: (13.0, 24.0, 18.0), 5: b"\1", 6: IFDRational(345, 10)})
    return exif


def test_exif_data_is_told_in_plain_units(
    image_info: ImageInfo,
    run_plugin: Run,
    pictures: Pictures,
    camera_exif: Image.Exif,
) -> None:
    """Fractions become numbers, times ISO 8601, positions signed degrees, texts clean."""
    info = run_plugin(
        image_info,
        pictures.encoded(pictures.photograph("chelsea.png"), "JPEG", exif=camera_exif, dpi=(300, 300)),
        "JPEG",
    )
    assert info["exif_status"] == "read"
    assert info["exif"] == {
        "camera_make": "Nikon",
        "camera_model": "Z 6",
        "lens_make": "Nikon",
        "lens_model": "NIKKOR Z 50mm f/1.8",
        "software": "Firmware 1.0",
        "description": "Harbour at dusk",
        "artist": "Ada",
        "copyright": "© Ada",
        "taken_at": "2024-05-17T21:34:56+02:00",
        "modified_at": "2024-05-18T09:00:00",
        "exposure_seconds": 0.008,
        "f_number": 2.8,
        "iso": 400,
        "exposure_bias_ev": -0.3333333,
        "exposure_program": "aperture priority",
        "metering_mode": "pattern",
        "flash_fired": True,
        "focal_length_mm": 50.0,
        "focal_length_35mm": 75,
        "gps": {"latitude": 52.52, "longitude": -13.405, "altitude_m": -34.5},
    }
    assert info["dpi"] == [300.0, 300.0]


def test_exif_data_is_left_out_on_request(
    image_info: ImageInfo,
    run_plugin: Run,
    pictures: Pictures,
    camera_exif: Image.Exif,
) -> None:
    """A caller who asks for no EXIF data gets no place and no names, and the picture is turned all the same."""
    camera_exif[0x0112] = 6
    info = run_plugin(
        image_info, pictures.encoded(pictures.photograph("chelsea.png"), "JPEG", exif=camera_exif), "JPEG", exif=False
    )
    assert (info["exif"], info["exif_status"]) == (None, "not requested")
    assert info["orientation"] == {"exif": 6, "applied": True}


def test_nonsense_in_exif_data_is_left_out(image_info: ImageInfo, run_plugin: Run, pictures: Pictures) -> None:
    """Impossible numbers, dates and places are null, long texts are cut, and what is sane beside them is told."""
    exif = Image.Exif()
    exif.update({0x010F: "Make" * 1000, 0x0110: "\x01\x02", 0x0132: "0000:00:00 00:00:00"})
    details = exif.get_ifd(0x8769)
    details.update({0x829A: IFDRational(1, 60), 0x9003: "yesterday", 0x9209: 0})
    place = exif.get_ifd(0x8825)
    place.update({1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    raw = exif.tobytes()
    # A fraction without a denominator, which Pillow reads as no number.
    raw = raw.replace((1).to_bytes(4, "big") + (60).to_bytes(4, "big"), (1).to_bytes(4, "big") + bytes(4))
    raw = raw.replace((1).to_bytes(4, "little") + (60).to_bytes(4, "little"), (1).to_bytes(4, "little") + bytes(4))
    told = run_plugin(image_info, pictures.encoded(pictures.photograph("chelsea.png"), "JPEG", exif=raw), "JPEG")[
        "exif"
    ]
    assert told["camera_make"] == ("Make" * 50)
    assert told["flash_fired"] is False
    for field in ("camera_model", "modified_at", "taken_at", "exposure_seconds", "gps"):
        assert told[field] is None


@pytest.mark.parametrize("keep", [10, 30, 60, 120])
def test_damaged_exif_data_is_said_to_be_damaged(
    keep: int,
    image_info: ImageInfo,
    run_plugin: Run,
    pictures: Pictures,
    camera_exif: Image.Exif,
) -> None:
    """Cut-off EXIF data is told as far as it can be read; the image is described all the same."""
    data = pictures.encoded(pictures.photograph("chelsea.png"), "JPEG", exif=camera_exif.tobytes()[:keep])
    info = run_plugin(image_info, data, "JPEG")
    assert info["exif_status"] == "damaged"
    assert (info["width"], info["height"]) == (451, 300)
