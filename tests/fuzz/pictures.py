"""Pictures that are cut off, changed, or far larger unpacked than they say or seem."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
}
SIDE = 60_000
"""3,600 megapixels, where a format can say so."""


def sample(mime_type: str) -> bytes:
    """A small picture with some structure."""
    image = Image.effect_noise((96, 64), 60).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, FORMATS[mime_type])
    return buffer.getvalue()


def damaged(seed: int) -> tuple[str, bytes]:
    """A type and a picture of it that is cut off, or in which some bytes are others."""
    rng = random.Random(seed)
    mime_type = list(FORMATS)[seed % len(FORMATS)]
    data = bytearray(sample(mime_type))
    if rng.random() < 0.5:
        return mime_type, bytes(data[: rng.randrange(16, len(data))])
    for _ in range(rng.randrange(1, 20)):
        data[rng.randrange(12, len(data))] = rng.randrange(256)
    return mime_type, bytes(data)


def bombs() -> Iterator[tuple[str, str, bytes]]:
    """Pictures that would fill the memory if they were unpacked: a name, the type and the bytes of each."""
    yield "PNG that says so", "image/png", png(SIDE, SIDE, zlib.compress(bytes(1000)))
    yield "PNG of zeros", "image/png", png(30_000, 30_000, zlib.compress(bytes(30_000_000), 9))
    text = b"zTXt" + b"c\0\0" + zlib.compress(bytes(200_000_000), 9)
    yield "PNG with a text of 200 MB", "image/png", png(1, 1, zlib.compress(b"\0\0\0\0"), text)
    profile = b"iCCP" + b"p\0\0" + zlib.compress(bytes(200_000_000), 9)
    yield "PNG with a profile of 200 MB", "image/png", png(1, 1, zlib.compress(b"\0\0\0\0"), profile)
    yield "JPEG that says so", "image/jpeg", resized_jpeg(65_500)
    yield "GIF that says so", "image/gif", resized(sample("image/gif"), 6, "<HH", 65_535)
    yield "BMP that says so", "image/bmp", resized(sample("image/bmp"), 18, "<ii", SIDE)
    yield "TIFF that says so", "image/tiff", tiff(SIDE, SIDE, SIDE)
    yield "TIFF with one enormous strip", "image/tiff", tiff(9_000, 9_000, 2**31)
    yield "WebP that says so", "image/webp", webp(16_383)
    yield "WebP canvas", "image/webp", webp_canvas(2**24 - 1)


def png(width: int, height: int, data: bytes, *chunks: bytes) -> bytes:
    """A PNG of 8-bit RGB."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = (header, *chunks, b"IDAT" + data, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in body
    )


def resized(data: bytes, place: int, layout: str, side: int) -> bytes:
    """A picture whose header says another size."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, place, side, side)
    return bytes(changed)


def resized_jpeg(side: int) -> bytes:
    """A JPEG whose frame header says another size."""
    data = sample("image/jpeg")
    return resized(data, data.index(b"\xff\xc0") + 5, ">HH", side)


def tiff(width: int, height: int, rows_per_strip: int) -> bytes:
    """A TIFF of 8-bit grey with one LZW strip of few bytes."""
    strip = bytes(64)
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 5), (262, 3, 1),
        (273, 4, 8), (277, 3, 1), (278, 4, rows_per_strip), (279, 4, len(strip)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags
    )
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory + bytes(4)


def webp(side: int) -> bytes:
    """A lossless WebP that says the largest size there is."""
    body = b"\x2f" + struct.pack("<I", (side - 1) | (side - 1) << 14) + bytes(64)
    return riff(b"VP8L" + struct.pack("<I", len(body)) + body + bytes(len(body) % 2))


def webp_canvas(side: int) -> bytes:
    """An extended WebP with the largest canvas there is, around a small picture."""
    canvas = struct.pack("<I", 0) + struct.pack("<I", side)[:3] * 2
    return riff(b"VP8X" + struct.pack("<I", len(canvas)) + canvas + sample("image/webp")[12:])


def riff(chunks: bytes) -> bytes:
    """The file of a WebP's chunks."""
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
