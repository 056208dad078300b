"""The messages between the service and a worker: a JSON header and a body of bytes, over a socket pair.

The service trusts nothing that comes from a worker: headers are JSON (never pickle) and both parts have limits.
"""

from __future__ import annotations

import json
import struct
from typing import Any

HEADER = struct.Struct("!II")
MAX_META_BYTES = 4 * 1024 * 1024
MAX_BODY_BYTES = 8 * 1024 * 1024


class FrameError(Exception):
    """What came is no frame."""


def encode_frame(meta: dict[str, Any], body: bytes = b"") -> bytes:
    """One message as bytes."""
    text = json.dumps(meta, separators=(",", ":")).encode()
    return b"".join((HEADER.pack(len(text), len(body)), text, body))


class FrameDecoder:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        """Start empty."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[dict[str, Any], bytes]]:
        """The messages that these bytes complete, as (meta, body). Raises FrameError."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= HEADER.size:
            meta_size, body_size = HEADER.unpack_from(self._buffer)
            if meta_size > MAX_META_BYTES or body_size > MAX_BODY_BYTES:
                raise FrameError("a message is too large")
            end = HEADER.size + meta_size + body_size
            if len(self._buffer) < end:
                break
            meta = decode_meta(bytes(self._buffer[HEADER.size : HEADER.size + meta_size]))
            messages.append((meta, bytes(self._buffer[HEADER.size + meta_size : end])))
            del self._buffer[:end]
        return messages


def decode_meta(text: bytes) -> dict[str, Any]:
    """A message's header. Raises FrameError when it is no JSON object."""
    try:
        meta = json.loads(text)
    except ValueError as error:
        raise FrameError("a header is no JSON") from error
    if not isinstance(meta, dict):
        raise FrameError("a header is no JSON object")
    return meta
