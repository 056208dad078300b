"""What a plugin says of itself, as its first worker reports it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
"""The names that a plugin may have."""


@dataclass(frozen=True, slots=True)
class PluginDescription:
    """A plugin's declared attributes; see runward_service.plugins.base.Plugin for their meaning and units.

    ``code_digest`` is that of its code as its worker loaded it, "sha256:<hex>" or empty.
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
    code_digest: str = ""

    @property
    def timeout_us(self) -> int:
        """The longest time of one attempt in microseconds."""
        return round(self.timeout * 1_000_000)
