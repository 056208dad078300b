"""The type of an image by its first bytes. Nothing is decoded."""

from __future__ import annotations

PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\x00\x00\x01\x00", "image/vnd.microsoft.icon"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"%PDF-", "application/pdf"),
)
BRANDS: dict[bytes, str] = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}
"""The major brands of ISO base media files."""

KNOWN_TYPES = frozenset(mime_type for _, mime_type in PREFIXES) | frozenset(BRANDS.values()) | {"image/webp"}
"""The types that detect can tell: bytes declared as one of them must be detected as it."""

ANY_PREFIX = tuple(prefix for prefix, _ in PREFIXES)
BMP_HEADER_BYTES = 14


def detect(head: bytes) -> str:
    """The type that the first bytes (64 are enough) say, empty where they say none."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return BRANDS.get(head[8:12], "")
    if not head.startswith(ANY_PREFIX):
        return ""
    for prefix, mime_type in PREFIXES:
        if head.startswith(prefix):
            # Two letters are too little to tell a bitmap from a text: a bitmap's reserved words are zero.
            if prefix == b"BM" and (len(head) < BMP_HEADER_BYTES or head[6:10] != b"\0\0\0\0"):
                return ""
            return mime_type
    return ""


def admits(pattern: str, mime_type: str) -> bool:
    """Whether a plugin's declared type ("image/png", "image/*", "*/*") takes a type."""
    return pattern in {mime_type, "*/*"} or (pattern.endswith("/*") and mime_type.startswith(pattern[:-1]))
