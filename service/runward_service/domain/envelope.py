"""The error envelope of the specification's section 6."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runward_service.domain.errors import ErrorReason, ErrorType, GovernedError


@dataclass(frozen=True, slots=True)
class ErrorEnvelope:
    """One error of a plugin's execution or of a call.

    ``time_us`` is in microseconds since 1970, UTC. ``traceback`` is the ``_internal`` part: it is stored apart and
    never leaves the server's host.
    """

    reason: ErrorReason
    message: str
    details: Mapping[str, Any]
    plugin: str
    time_us: int
    traceback: str = ""

    @property
    def error_type(self) -> ErrorType:
        """The type, which follows from the reason."""
        return self.reason.error_type

    def as_dict(self) -> dict[str, Any]:
        """The whole envelope in the specification's JSON shape, ``_internal`` included."""
        return {
            "error": {
                "type": self.error_type.value,
                "reason": self.reason.value,
                "message": self.message,
                "details": dict(self.details),
                "plugin": self.plugin,
                "timestamp": datetime.fromtimestamp(self.time_us / 1e6, UTC).isoformat(),
            },
            "_internal": {"traceback": self.traceback},
        }


def envelope_of(error: GovernedError, *, plugin: str, time_us: int) -> ErrorEnvelope:
    """Wrap an error; ``plugin`` names the plugin where the error does not."""
    return ErrorEnvelope(error.reason, error.message, error.details, error.plugin or plugin, time_us, error.internal)
