"""Jobs: their statuses, the legal transitions, and the record that the layers hand on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runward_service.domain.artifact import Artifact
    from runward_service.domain.envelope import ErrorEnvelope
    from runward_service.domain.image import StoredImage
    from runward_service.domain.receipt import Receipt


class JobStatus(IntEnum):
    """The four statuses (the specification's section 4); the numbers are those of the API and of the store."""

    PENDING = 1
    RUNNING = 2
    SUCCESS = 3
    FAILED = 4

    @property
    def terminal(self) -> bool:
        """Whether nothing follows this status."""
        return self in TERMINAL_STATUSES


TERMINAL_STATUSES = frozenset({JobStatus.SUCCESS, JobStatus.FAILED})

JOB_TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING}),
    JobStatus.RUNNING: frozenset({JobStatus.SUCCESS, JobStatus.FAILED}),
    JobStatus.SUCCESS: frozenset(),
    JobStatus.FAILED: frozenset(),
}
"""Which status may follow which; the store's triggers hold the same table. A further attempt stays RUNNING."""


class JobMode(IntEnum):
    """Who waits for the job: a caller that is connected (SYNC, from Analyze) or nobody (ASYNC, from SubmitJob)."""

    SYNC = 1
    ASYNC = 2


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: a name, the tenant whose jobs it sees, and its scopes."""

    name: str
    tenant: str
    scopes: frozenset[str] = frozenset()


ANONYMOUS = Principal("anonymous", "default")
"""The principal of every call until authentication is configured."""


class JobRequest(NamedTuple):
    """What a caller asks for, converted from the API and not yet validated; a named tuple for the reason that Job is.

    ``timeout_us``, ``queue_timeout_us`` and ``retention_us`` are microseconds, 0 where the caller gave none;
    ``image_digest`` stands for an image that the caller's tenant has stored, ``stored`` is that image once it was
    found; then ``image`` is empty. A large image may be a part of the bytes that it came with. ``retry_of`` is the id
    of the failed job whose input this is; ``skip_cache`` asks for a run of its own.
    """

    plugin: str
    image: bytes | memoryview
    mime_type: str
    options: Mapping[str, Any]
    mode: JobMode
    principal: Principal
    timeout_us: int = 0
    queue_timeout_us: int = 0
    request_id: str = ""
    priority: int = 0
    labels: Mapping[str, str] = {}
    retention_us: int = 0
    retry_of: str = ""
    image_digest: str = ""
    stored: StoredImage | None = None
    skip_cache: bool = False

    @property
    def image_bytes(self) -> int:
        """The size of the image; 0 where what stands for it is none, which validation refuses."""
        if self.stored is not None:
            return self.stored.size_bytes
        image: object = self.image
        return len(image) if isinstance(image, bytes | memoryview) else 0


class Job(NamedTuple):
    """One job as at ``revision``. Times are microseconds since 1970, UTC, 0 where absent; ``result`` is the encoded
    google.protobuf.Struct that the worker made. A named tuple, because every call makes three and changing a field of
    a frozen dataclass costs ten times as much.
    """

    id: str
    tenant: str
    principal: str
    request_id: str
    mode: JobMode
    plugin: str
    plugin_version: str
    status: JobStatus
    image: StoredImage
    mime_type: str
    options: Mapping[str, Any]
    labels: Mapping[str, str]
    priority: int
    timeout_us: int
    queue_deadline_us: int
    max_attempts: int
    attempt: int
    lost_attempts: int
    owner: str
    cancel_requested: bool
    create_time_us: int
    start_time_us: int
    end_time_us: int
    revision: int
    progress_fraction: float | None = None
    progress_message: str = ""
    result: bytes | None = None
    error: ErrorEnvelope | None = None
    output_digest: str = ""
    cached: bool = False
    retention_us: int = 0
    """How long it is kept after its end; 0: as long as the server keeps jobs."""
    retry_of: str = ""
    """The id of the failed job whose input it has."""
    artifacts: tuple[Artifact, ...] = ()
    """The files that its run gave back."""
    skip_cache: bool = False
    """Whether it has to have a run of its own."""
    code_digest: str = ""
    """That of the plugin's code that its last attempt ran; empty where it ran none."""
    receipt: Receipt | None = None
    """What attests its end; None where only a list or a watch was asked for."""
