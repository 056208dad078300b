"""A request's inline image, found among its bytes: protobuf would copy it twice before anyone sees it."""

from __future__ import annotations

from typing import NamedTuple

WORTH_BYTES = 256 * 1024
"""Of an image, to be taken apart: two copies of less cost no more than the search, and the caches hold them."""
PAYLOAD = 2
"""The field of AnalyzeRequest and SubmitJobRequest."""
IMAGE, IMAGE_DIGEST = 1, 2
"""The fields of Payload."""
VARINT, I64, LEN, I32 = 0, 1, 2, 5
MAX_FIELDS = 64
"""A request with more fields than a client of ours sends is left to protobuf: they are read here one by one."""
MAX_VARINT_BYTES, MAX_SIZE_BYTES = 10, 4
EMPTY_IMAGE = b"\x0a\x00"


class CutRequest(NamedTuple):
    """A request without its image's bytes, and these, which are a part of the request's own."""

    request: bytes
    image: memoryview


class Span(NamedTuple):
    """A field of a message: where its tag begins, where its value begins and ends."""

    tag: int
    begin: int
    end: int


def cut_image(raw: bytes, larger_than: int) -> CutRequest | None:
    """Cut the image out of the bytes of an AnalyzeRequest or SubmitJobRequest.

    None where it is not larger than so many bytes, or where the request is not plainly such a one: then protobuf, which
    knows all the ways to write a message, has to read the whole. What is left is the same message with an empty image.
    """
    if len(raw) <= larger_than:
        return None
    payload = only_field(raw, 0, len(raw), PAYLOAD)
    image = only_field(raw, payload.begin, payload.end, IMAGE, IMAGE_DIGEST) if payload is not None else None
    if payload is None or image is None or image.end - image.begin <= larger_than:
        return None
    size = varint(payload.end - payload.begin - (image.end - image.tag) + len(EMPTY_IMAGE))
    before, after = raw[payload.begin : image.tag], raw[image.end :]
    request = b"".join((raw[: payload.tag + 1], size, before, EMPTY_IMAGE, after))
    return CutRequest(request, memoryview(raw)[image.begin : image.end])


def only_field(raw: bytes, start: int, end: int, number: int, excluded: int = 0) -> Span | None:
    """The one occurrence of a field with bytes in a message that lies from ``start`` to ``end``; None where there are
    several, none, an ``excluded`` field, too many fields, or anything that is not well-formed.
    """
    found = None
    for _ in range(MAX_FIELDS):
        if start == end:
            return found
        field = next_field(raw, start, end)
        if field is None:
            return None
        tag = raw[start]
        if tag >> 3 in {number, excluded}:
            if found is not None or tag != number << 3 | LEN:
                return None
            found = field
        start = field.end
    return None


def next_field(raw: bytes, start: int, end: int) -> Span | None:
    """The field that begins at a place; None where it is not well-formed, or has a tag of more than one byte."""
    tag = raw[start]
    if tag >= 0x80 or tag < 8:
        return None
    kind, begin = tag & 7, start + 1
    if kind == LEN:
        size, begin = read_varint(raw, begin, end, MAX_SIZE_BYTES)
        after = begin + size
    elif kind == VARINT:
        _, after = read_varint(raw, begin, end, MAX_VARINT_BYTES)
    elif kind in {I64, I32}:
        after = begin + (8 if kind == I64 else 4)
    else:
        return None
    return Span(start, begin, after) if start < after <= end else None


def read_varint(raw: bytes, start: int, end: int, longest: int) -> tuple[int, int]:
    """A number of so many bytes at most and where it ends; beyond ``end`` where it does not end before."""
    value = 0
    for place in range(start, min(start + longest, end)):
        byte = raw[place]
        value |= (byte & 0x7F) << 7 * (place - start)
        if byte < 0x80:
            return value, place + 1
    return value, end + 1


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
