"""Artifacts on the worker's side: what a run gives back is sent at once, in pieces, and not kept here."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from runward_service.domain.artifact import ArtifactRules

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 1024 * 1024


class GivenArtifacts:
    """The artifacts of one run. Any thread of it may give some."""

    def __init__(self, job_id: str, send: Callable[[dict[str, Any], bytes], None]) -> None:
        """Send through a function that takes a message's meta and body."""
        self._job_id = job_id
        self._send = send
        self._rules = ArtifactRules()
        self._lock = threading.Lock()
        self._over = False

    def give(self, name: str, data: bytes, mime_type: str) -> None:
        """Send one. Raises ValueError, or RuntimeError where the run is over."""
        with self._lock:
            if self._over:
                raise RuntimeError("the run is over; it takes no artifact any more")
            if not data:
                raise ValueError("an artifact has at least one byte")
            self._rules.admit(name, mime_type)
            self._rules.add_bytes(len(data))
            view = memoryview(data)
            for start in range(0, len(view), CHUNK_BYTES):
                chunk = view[start : start + CHUNK_BYTES]
                meta = {"type": "artifact", "job_id": self._job_id, "name": name, "mime_type": mime_type}
                self._send(meta | {"last": start + CHUNK_BYTES >= len(view)}, bytes(chunk))

    def end(self) -> None:
        """The run is over."""
        with self._lock:
            self._over = True
