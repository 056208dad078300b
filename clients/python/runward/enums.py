"""The API's enums as strings: the proto's names without their prefixes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from runward.errors import RunwardError

if TYPE_CHECKING:
    from collections.abc import Callable


class JobStatus(StrEnum):
    """The status of a job: PENDING, then RUNNING, then SUCCESS or FAILED. Not to be confused with PluginState."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"

    @property
    def terminal(self) -> bool:
        """Whether a job of this status has ended."""
        return self in {JobStatus.SUCCESS, JobStatus.FAILED}


class PluginState(StrEnum):
    """The state of a plugin. Not to be confused with JobStatus."""

    LOADED = "LOADED"
    INITIALIZED = "INITIALIZED"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    UNAVAILABLE = "UNAVAILABLE"


class Verdict(StrEnum):
    """What a verification found."""

    REPRODUCIBLE = "REPRODUCIBLE"
    DIVERGED = "DIVERGED"
    UNVERIFIABLE = "UNVERIFIABLE"


class Attestation(StrEnum):
    """Whether a server's own code is what was built, and clean."""

    ATTESTED = "ATTESTED"
    UNATTESTED = "UNATTESTED"
    VIOLATED = "VIOLATED"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def holds(self) -> bool:
        """Whether a server of this verdict serves: its code is clean, and does not differ from what is known of it."""
        return self in {Attestation.ATTESTED, Attestation.UNATTESTED}


class FileChangeKind(StrEnum):
    """How a file of a server differs from what it should be."""

    MODIFIED = "MODIFIED"
    MISSING = "MISSING"
    ADDED = "ADDED"
    ELSEWHERE = "ELSEWHERE"
    SINCE_START = "SINCE_START"


class HealthStatus(StrEnum):
    """What the standard health service answers; SERVICE_UNKNOWN where the server has no such plugin."""

    UNKNOWN = "UNKNOWN"
    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    SERVICE_UNKNOWN = "SERVICE_UNKNOWN"


_E = TypeVar("_E", bound=StrEnum)


def enum_from_proto(kind: type[_E], name_of: Callable[[Any], str], prefix: str, number: int) -> _E:
    """Turn a proto enum's number into the member of the same name, which the proto enum's Name (`name_of`) tells.

    Raises:
        RunwardError: for a number that this client does not know; it needs an update.
    """
    try:
        return kind(name_of(number).removeprefix(prefix))
    except ValueError:
        raise RunwardError(
            f"the server sent {prefix}{number}, which this client does not know: update runward"
        ) from None
