"""What a plugin is run on when nobody asks for a run: to tell whether it is well again."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CanaryInput:
    """The input of a canary run; ``declared`` tells whether the plugin named it, or it was made for its type."""

    image: bytes
    mime_type: str
    options: Mapping[str, Any]
    declared: bool

    def to_message(self) -> dict[str, Any]:
        """As it crosses from the worker to the service."""
        image = b64encode(self.image).decode()
        return {
            "image": image,
            "mime_type": self.mime_type,
            "options": dict(self.options),
            "declared": self.declared,
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """Take it as it crossed."""
        return cls(b64decode(message["image"]), message["mime_type"], message["options"], message["declared"])
