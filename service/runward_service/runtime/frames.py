"""The messages between the service and a worker: a JSON header and a body of bytes, over a socket pair.

The service trusts nothing that comes from a worker: headers are JSON (never pickle) and both parts have limits.
"""

from __future__ import annotations

import json
import struct
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any

from runward_service.runtime.seeds import seed_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runward_service.domain.job import Job

HEADER = struct.Struct("!II")
ENCODE_JSON = json.JSONEncoder(separators=(",", ":")).encode
DECODE_JSON = json.JSONDecoder().raw_decode
ESCAPE = "\\u"
"""Begins a character that is written as its number, which may be half of one."""
MAX_META_BYTES = 4 * 1024 * 1024
MAX_BODY_BYTES = 8 * 1024 * 1024


class FrameError(Exception):
    """What came is no frame."""


def encode_frame(meta: dict[str, Any], body: bytes = b"") -> bytes:
    """One message as bytes."""
    return frame_of(ENCODE_JSON(meta), body)


def frame_of(header: str, body: bytes = b"") -> bytes:
    """One message as bytes, its header a JSON object already."""
    text = header.encode()
    return b"".join((HEADER.pack(len(text), len(body)), text, body))


def encode_run_frame(job: Job) -> bytes:
    """The message that asks for a run of a job: its image's bytes, or the file of a large one."""
    image = job.image
    source = f',"path":{ENCODE_JSON(str(image.path))}' if image.data is None else ""
    if image.new is not None:
        source += f',"new":{image.new}'
    options = ENCODE_JSON(dict(job.options)) if job.options else "{}"
    # Written out, because the encoder takes longer for a header than all else that a short run costs here.
    header = (
        f'{{"type":"run","job_id":{quoted(job.id)},"attempt":{job.attempt},'
        f'"seed":{seed_of(image.digest)},"digest":"{image.digest}","mime_type":{quoted(job.mime_type)},"options":{options}{source}}}'
    )
    return frame_of(header, image.data or b"")


def encode_result_frame(answer: Mapping[str, Any], result: bytes) -> bytes:
    """The message that answers a run with its encoded result."""
    header = (
        f'{{"type":"result","job_id":{quoted(answer["job_id"])},"digest":"{answer["digest"]}",'
        f'"duration_us":{answer["duration_us"]},"tainted":{"true" if answer["tainted"] else "false"}}}'
    )
    return frame_of(header, result)


class FrameDecoder:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        """Start empty."""
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> list[tuple[dict[str, Any], bytes]]:
        """The messages that these bytes complete, as (meta, body). Raises FrameError."""
        buffer = self._buffer
        if buffer:
            buffer += data
            data = buffer
        messages = []
        start, size = 0, len(data)
        while size - start >= HEADER.size:
            meta_size, body_size = HEADER.unpack_from(data, start)
            if meta_size > MAX_META_BYTES or body_size > MAX_BODY_BYTES:
                raise FrameError("a message is too large")
            body = start + HEADER.size + meta_size
            end = body + body_size
            if size < end:
                break
            messages.append((decode_meta(data[start + HEADER.size : body]), bytes(data[body:end])))
            start = end
        if data is buffer:
            del buffer[:start]
        elif start < size:
            buffer += data[start:]
        return messages


def decode_meta(text: bytes | bytearray) -> dict[str, Any]:
    """A message's header. Raises FrameError when it is no JSON object."""
    try:
        whole = text.decode()
        meta, end = DECODE_JSON(whole)
    except ValueError as error:
        raise FrameError("a header is no JSON") from error
    if end != len(whole) or not isinstance(meta, dict):
        raise FrameError("a header is no JSON object")
    if ESCAPE in whole:
        refuse_lone_surrogates(meta)
    return meta


def refuse_lone_surrogates(meta: dict[str, Any]) -> None:
    """Raises FrameError for text that neither the store nor an answer could hold."""
    try:
        json.dumps(meta, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise FrameError("a header holds half a character") from error
