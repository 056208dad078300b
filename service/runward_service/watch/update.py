"""What watches send: changes, the state of a job, bookmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.domain.job import Job, JobStatus


class Update(Protocol):
    """A job as at a revision. One object serves all who watch, and is encoded once for all of them."""

    @property
    def job(self) -> Job:
        """The job."""

    @property
    def status(self) -> JobStatus:
        """The job's status."""

    def message(self, encode: Callable[[Job], bytes]) -> bytes:
        """The update as it is sent; the first who asks has it encoded."""


class JobState:
    """A job as it is now, with its result."""

    __slots__ = ("_message", "job")

    def __init__(self, job: Job) -> None:
        """Hold the job."""
        self.job = job
        self._message: bytes | None = None

    @property
    def status(self) -> JobStatus:
        """See Update."""
        return self.job.status

    def message(self, encode: Callable[[Job], bytes]) -> bytes:
        """See Update."""
        if self._message is None:
            self._message = encode(self.job)
        return self._message


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A revision up to which everything that fits has been sent."""

    revision: int
