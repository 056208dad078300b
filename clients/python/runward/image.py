"""The image argument: where its bytes come from and what type they are."""

from __future__ import annotations

import asyncio
import mimetypes
import os
from pathlib import Path, PurePath
from typing import BinaryIO, TypeAlias

from runward.errors import ValidationError

Image: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO"
"""An image: the path of a file, the file's bytes, or a file open for reading in binary mode."""

MAX_IMAGE_BYTES = 64 * 1024 * 1024
"""The largest image that the API takes; a server may take less (GetServerInfo tells)."""

SUFFIX_TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".ico": "image/vnd.microsoft.icon",
    ".jp2": "image/jp2",
    ".jpe": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".jxl": "image/jxl",
    ".pbm": "image/x-portable-bitmap",
    ".pgm": "image/x-portable-graymap",
    ".png": "image/png",
    ".ppm": "image/x-portable-pixmap",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
"""The type that a file name promises; its keys are what the command line takes for images in a directory."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\x00\x00\x01\x00", "image/vnd.microsoft.icon"),
)

_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}
"""The major brands of ISO base media files."""


def detect_mime_type(data: bytes) -> str | None:
    """Tell the type of a common image by its first bytes; None for any other."""
    for magic, mime_type in _MAGIC:
        if data.startswith(magic):
            return mime_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    # Two letters are too few to tell a bitmap from a text that begins with them: a bitmap has zeros after its size.
    return "image/bmp" if data[:2] == b"BM" and data[6:10] == bytes(4) else None


async def load_image(image: Image, mime_type: str | None) -> tuple[bytes, str]:
    """Read the image, off the event loop, and settle its type: as given, else by its bytes, else by its file name.

    Raises:
        ValidationError: IMAGE_TOO_LARGE past MAX_IMAGE_BYTES; MIME_TYPE_MISSING where the type cannot be told.
        OSError: the file cannot be read.
        TypeError: the argument is no image, or the file was opened as text.
    """
    data, name = await read_image(image)
    if mime_type is None:
        mime_type = detect_mime_type(data) or _type_of_name(name)
    if mime_type is None:
        shown = name or "the image"
        raise ValidationError(
            f"cannot tell the type of {shown}: pass mime_type, such as 'image/png'", reason="MIME_TYPE_MISSING"
        )
    return data, mime_type


async def read_image(image: Image) -> tuple[bytes, str]:
    """Read the image, off the event loop; give its bytes and its file's name, empty where it has none.

    Raises:
        ValidationError: IMAGE_TOO_LARGE past MAX_IMAGE_BYTES.
        OSError: the file cannot be read.
        TypeError: the argument is no image, or the file was opened as text.
    """
    data, name = await _read(image)
    if len(data) > MAX_IMAGE_BYTES:
        raise _too_large(len(data))
    return data, name


async def _read(image: Image) -> tuple[bytes, str]:
    match image:
        case bytes():
            return image, ""
        case bytearray() | memoryview():
            return bytes(image), ""
        case str() | os.PathLike():
            return await asyncio.to_thread(_read_path, Path(image)), os.fspath(image)
    read = getattr(image, "read", None)
    if read is None:
        raise TypeError(f"an image is a path, bytes or a binary file, not {type(image).__name__}")
    data = await asyncio.to_thread(read, MAX_IMAGE_BYTES + 1)
    if not isinstance(data, bytes):
        raise TypeError("open the image file in binary mode: open(path, 'rb')")
    name = getattr(image, "name", "")
    return data, name if isinstance(name, str) else ""


def _read_path(path: Path) -> bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_IMAGE_BYTES:  # told by its size, so that a disk image is not read into memory first
            raise _too_large(size)
        return file.read()


def _type_of_name(name: str) -> str | None:
    return SUFFIX_TYPES.get(PurePath(name).suffix.lower()) or mimetypes.guess_type(name)[0]


def _too_large(size: int) -> ValidationError:
    return ValidationError(
        f"the image has {size} bytes or more, the limit is {MAX_IMAGE_BYTES}",
        reason="IMAGE_TOO_LARGE",
        details={"limit_bytes": MAX_IMAGE_BYTES},
    )
