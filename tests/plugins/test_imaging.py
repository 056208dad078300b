"""Decoding: what payload.open_image gives and refuses."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops

from runward_service.plugins.base import InvalidInput, Payload
from runward_service.plugins.imaging import MAX_PIXELS, PILLOW_FORMATS, decode

if TYPE_CHECKING:
    from tests.plugins.conftest import Pictures

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF")


def png_of(width: int, height: int) -> bytes:
    """Write a PNG that states a size and holds no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_is_decoded_whole(format_: str, pictures: Pictures) -> None:
    """Each documented type is decoded to its size, and the decoded pixels need no file."""
    picture = pictures.photograph("coffee.png")
    image = Payload(pictures.encoded(picture, format_), f"image/{format_.lower()}").open_image()
    assert image.size == picture.size
    assert image.format == format_
    assert ImageChops.difference(image.convert("L"), picture.convert("L")).histogram()[100:] == [0] * 156


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(format_: str, orientation: int, pictures: Pictures) -> None:
    """A picture taken in any EXIF orientation comes out upright, and its orientation is told."""
    picture = pictures.photograph("chelsea.png")
    image, told = decode(pictures.camera_file(picture, orientation, format_), f"image/{format_.lower()}")
    assert told == orientation
    assert image.size == picture.size
    difference = ImageChops.difference(image.convert("L"), picture.convert("L"))
    assert sum(value * count for value, count in enumerate(difference.histogram())) < 4 * picture.width * picture.height


def test_an_upright_image_does_not_state_an_orientation_any_more(pictures: Pictures) -> None:
    """A plugin that turns the image by its EXIF data again does no harm."""
    image = Payload(pictures.camera_file(pictures.photograph("chelsea.png"), 6), "image/jpeg").open_image()
    assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_image_is_invalid_input(format_: str, share: float, pictures: Pictures) -> None:
    """A file that is cut off anywhere is refused, with its declared type in the details."""
    data = pictures.encoded(pictures.photograph("coffee.png"), format_)
    with pytest.raises(InvalidInput) as refusal:
        Payload(data[: int(len(data) * share)], f"image/{format_.lower()}").open_image()
    assert refusal.value.details["mime_type"] == f"image/{format_.lower()}"


@pytest.mark.parametrize("mime_type", PILLOW_FORMATS)
@pytest.mark.parametrize(
    "data", [b"", b"x", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"text" * 99]
)
def test_bytes_that_are_no_image_are_invalid_input(mime_type: str, data: bytes) -> None:
    """Nothing but an image is decoded."""
    with pytest.raises(InvalidInput):
        Payload(data, mime_type).open_image()


def test_an_image_of_another_type_than_declared_is_invalid_input(pictures: Pictures) -> None:
    """A mislabelled file does not reach another type's decoder."""
    with pytest.raises(InvalidInput):
        Payload(pictures.encoded(pictures.photograph("coffee.png"), "GIF"), "image/png").open_image()


def test_a_type_that_pillow_does_not_know_is_invalid_input(pictures: Pictures) -> None:
    """A plugin may declare any type; what cannot be decoded is refused, and no decoder is guessed."""
    with pytest.raises(InvalidInput):
        Payload(pictures.encoded(pictures.photograph("coffee.png")), "image/heic").open_image()


def test_a_type_that_pillow_alone_knows_is_decoded(pictures: Pictures) -> None:
    """A plugin that declares a rarer type gets its decoder."""
    picture = pictures.photograph("coffee.png")
    assert Payload(pictures.encoded(picture, "JPEG2000"), "image/jp2").open_image().size == picture.size


@pytest.mark.parametrize("size", [(10_001, 10_000), (13_000, 13_000), (60_000, 60_000)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    """More pixels than the limit are refused by the header, above Pillow's own limits too, and without a warning."""
    with pytest.raises(InvalidInput, match="too many pixels") as refusal:
        Payload(png_of(*size), "image/png").open_image()
    assert refusal.value.details["limit_pixels"] == MAX_PIXELS


def test_an_image_just_under_the_limit_is_decoded(pictures: Pictures) -> None:
    """Between Pillow's warning and our limit, images are decoded, and no warning appears."""
    data = pictures.encoded(Image.new("1", (9_990, 10_000), 1))
    assert Payload(data, "image/png").open_image().size == (9_990, 10_000)


@pytest.mark.parametrize("size", [(0, 10), (10, 0)])
def test_an_image_without_pixels_is_invalid_input(size: tuple[int, int]) -> None:
    """A header that states no pixels is refused."""
    with pytest.raises(InvalidInput):
        Payload(png_of(*size), "image/png").open_image()


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0nonsense",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03",
    ],
)
def test_broken_exif_data_leaves_the_image_as_it_is(exif: bytes, pictures: Pictures) -> None:
    """EXIF data that cannot be read is no reason to refuse whole pixels."""
    image, orientation = decode(pictures.encoded(pictures.photograph("chelsea.png"), "JPEG", exif=exif), "image/jpeg")
    assert (image.size, orientation) == ((451, 300), 1)


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_is_upright(orientation: int, pictures: Pictures) -> None:
    """Only 1 to 8 mean something."""
    assert decode(pictures.camera_file(pictures.photograph("chelsea.png"), orientation), "image/jpeg")[1] == 1


@pytest.mark.parametrize("format_", FORMATS)
def test_damage_anywhere_is_refused_or_decoded_but_nothing_else(format_: str, pictures: Pictures) -> None:
    """A byte changed anywhere in the header leads to an image or to InvalidInput, never to another error."""
    whole = pictures.encoded(pictures.photograph("coffee.png").resize((48, 32)), format_)
    outcomes: list[Any] = []
    for position in range(min(len(whole), 240)):
        for value in (0x00, 0x7F, 0xFF):
            data = whole[:position] + bytes([value]) + whole[position + 1 :]
            try:
                outcomes.append(Payload(data, f"image/{format_.lower()}").open_image().size)
            except InvalidInput:
                outcomes.append(None)
    assert len(outcomes) == 3 * min(len(whole), 240)
    assert None in outcomes


def test_an_animation_gives_its_first_frame(pictures: Pictures) -> None:
    """Later frames are not decoded."""
    file = io.BytesIO()
    red, blue = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (40, 30), "blue")
    red.save(file, "WEBP", save_all=True, append_images=[blue], lossless=True)
    image = Payload(file.getvalue(), "image/webp").open_image()
    assert image.convert("RGB").getpixel((20, 15)) == (255, 0, 0)
