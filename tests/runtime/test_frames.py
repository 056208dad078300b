"""The messages between the service and its workers: what is none is refused."""

from __future__ import annotations

import pytest

from runward_service.runtime.frames import FrameDecoder, FrameError, encode_frame, frame_of


@pytest.mark.parametrize(
    "header",
    [
        "no JSON",
        "[1]",
        '{"a": 1} {"b": 2}',
        '{"message": "\\ud800"}',
        '{"details": {"\\uDFFF": 1}}',
    ],
)
def test_what_is_no_header_is_refused(header: str) -> None:
    """A header is one JSON object, and no text in it holds half a character, which no store could hold."""
    with pytest.raises(FrameError):
        FrameDecoder().feed(frame_of(header))


def test_messages_in_pieces() -> None:
    """Messages come whole whatever the pieces in which their bytes come."""
    frames = encode_frame({"type": "one", "text": "grün 😀"}) + encode_frame({"type": "two"}, b"body")
    for size in (1, 7, len(frames)):
        decoder = FrameDecoder()
        pieces = [frames[start : start + size] for start in range(0, len(frames), size)]
        messages = [message for piece in pieces for message in decoder.feed(piece)]
        assert messages == [({"type": "one", "text": "grün 😀"}, b""), ({"type": "two"}, b"body")]
