"""What a plugin says of itself, as its first worker reports it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from runward_service.domain.canary_input import CanaryInput

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
"""The names that a plugin may have."""


@dataclass(frozen=True, slots=True)
class PluginDescription:
    """A plugin's declared attributes; see runward_service.plugins.base.Plugin for their meaning and units.

    ``code_digest`` is that of its code and of all else that its answers follow from beside their input, as its worker
    loaded it (runward_service.runtime.plugin_code), "sha256:<hex>" or empty; ``canary`` what a canary run runs on,
    absent where nothing could be made for its types.
    """

    name: str
    version: str
    description: str
    mime_types: tuple[str, ...]
    options_schema: Mapping[str, Any]
    timeout: float
    memory_bytes: int
    concurrency: int
    max_attempts: int
    cacheable: bool
    deterministic: bool
    setup_timeout: float
    code_digest: str = ""
    canary: CanaryInput | None = None

    @property
    def timeout_us(self) -> int:
        """The longest time of one attempt in microseconds."""
        return round(self.timeout * 1_000_000)

    def to_message(self) -> dict[str, Any]:
        """As it crosses from the worker to the service."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"canary": self.canary.to_message() if self.canary else None}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """Take it as it crossed."""
        canary = CanaryInput.from_message(message["canary"]) if message["canary"] else None
        return cls(**{**message, "mime_types": tuple(message["mime_types"]), "canary": canary})
