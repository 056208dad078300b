"""The messages between the service and a worker: a JSON header and a body of bytes, over a socket pair.

The service trusts nothing that comes from a worker: headers are JSON (never pickle) and both parts have limits.
"""

from __future__ import annotations

import json
import struct
from typing import Any

HEADER = struct.Struct("!II")
ENCODE_JSON = json.JSONEncoder(separators=(",", ":")).encode
MAX_META_BYTES = 4 * 1024 * 1024
MAX_BODY_BYTES = 8 * 1024 * 1024


class FrameError(Exception):
    """What came is no frame."""


def encode_frame(meta: dict[str, Any], body: bytes = b"") -> bytes:
    """One message as bytes."""
    text = ENCODE_JSON(meta).encode()
    return b"".join((HEADER.pack(len(text), len(body)), text, body))


class FrameDecoder:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        """Start empty."""
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> list[tuple[dict[str, Any], bytes]]:
        """The messages that these bytes complete, as (meta, body). Raises FrameError."""
        if self._buffer:
            self._buffer += data
            data = self._buffer
        messages = []
        start = 0
        while len(data) - start >= HEADER.size:
            meta_size, body_size = HEADER.unpack_from(data, start)
            if meta_size > MAX_META_BYTES or body_size > MAX_BODY_BYTES:
                raise FrameError("a message is too large")
            body = start + HEADER.size + meta_size
            end = body + body_size
            if len(data) < end:
                break
            messages.append((decode_meta(data[start + HEADER.size : body]), bytes(data[body:end])))
            start = end
        if data is self._buffer:
            del self._buffer[:start]
        else:
            self._buffer += data[start:]
        return messages


def decode_meta(text: bytes | bytearray) -> dict[str, Any]:
    """A message's header. Raises FrameError when it is no JSON object."""
    try:
        meta = json.loads(text.decode())
    except ValueError as error:
        raise FrameError("a header is no JSON") from error
    if not isinstance(meta, dict):
        raise FrameError("a header is no JSON object")
    return meta
