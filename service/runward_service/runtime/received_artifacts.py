"""Artifacts on the service's side: the pieces that a worker sends during a run. Nothing that it says of them is taken
on trust.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from runward_service.domain.artifact import Artifact, ArtifactRules
from runward_service.runtime.frames import FrameError

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReceivedArtifacts:
    """The artifacts of one run."""

    def __init__(self) -> None:
        """Start without any."""
        self._rules = ArtifactRules()
        self._whole: list[tuple[str, str, list[bytes]]] = []
        self._open: tuple[str, str, list[bytes]] | None = None

    def add(self, meta: Mapping[str, Any], body: bytes) -> None:
        """Take the next piece. Raises FrameError for what no worker of ours sends."""
        name, mime_type = meta.get("name"), meta.get("mime_type")
        try:
            if self._open is None:
                self._rules.admit(name, mime_type)
                self._open = (str(name), str(mime_type), [])
            self._rules.add_bytes(len(body))
        except ValueError as error:
            raise FrameError(str(error)) from error
        if self._open[:2] != (name, mime_type) or not body:
            raise FrameError("a piece of an artifact that is not the next")
        self._open[2].append(body)
        if meta.get("last") is True:
            self._whole.append(self._open)
            self._open = None

    def complete(self) -> tuple[Artifact, ...]:
        """The artifacts, joined and hashed: for a thread. One of which the end did not come is none."""
        return tuple(artifact_of(*parts) for parts in self._whole)


def artifact_of(name: str, mime_type: str, chunks: list[bytes]) -> Artifact:
    """An artifact with its bytes."""
    data = b"".join(chunks)
    return Artifact(name, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), mime_type, data)
