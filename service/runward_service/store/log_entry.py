"""One change of one job, as the log holds it; shared by everyone who watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runward_service.domain.job import JobStatus
from runward_service.store.rows import job_of, load_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runward_service.domain.job import Job

ROW_BYTES = 200
"""About what a row takes besides its texts."""


class LogEntry:
    """A row of the log, made a Job and a message only when somebody wants one, and then once however many want it."""

    __slots__ = ("_job", "_labels", "_message", "_row", "job_id", "plugin", "revision", "size", "status", "tenant")

    def __init__(self, row: Sequence[Any]) -> None:
        """Hold a row with the columns of ``job_columns`` (the job as it is now), then those of its event."""
        self._row = row
        self._job: Job | None = None
        self._labels: Mapping[str, str] | None = None
        self._message: bytes | None = None
        self.revision: int = row[-6]
        self.status = JobStatus(row[-5])
        self.job_id: str = row[0]
        self.tenant: str = row[1]
        self.plugin: str = row[5]
        self.size = ROW_BYTES + sum(len(value) for value in row if isinstance(value, str))

    @property
    def labels(self) -> Mapping[str, str]:
        """The job's labels."""
        if self._labels is None:
            self._labels = load_mapping(self._row[12])
        return self._labels

    @property
    def job(self) -> Job:
        """The job as it was at this change, without its result."""
        if self._job is None:
            self._job = job_as_at(job_of(self._row), *self._row[-6:])
        return self._job

    def message(self, encode: Callable[[Job], bytes]) -> bytes:
        """The change as it is sent; the first who asks has it encoded."""
        if self._message is None:
            self._message = encode(self.job)
        return self._message


def job_as_at(  # noqa: PLR0917 - the columns of an event
    job: Job, revision: int, status: int, attempt: int, time_us: int, fraction: float | None, message: str
) -> Job:
    """A job, read after an event, as it was at that event."""
    if status in {JobStatus.SUCCESS, JobStatus.FAILED}:
        return job
    return job._replace(
        status=JobStatus(status),
        attempt=attempt,
        revision=revision,
        start_time_us=0 if status == JobStatus.PENDING else job.start_time_us or time_us,
        end_time_us=0,
        progress_fraction=fraction,
        progress_message=message,
        result=None,
        error=None,
        output_digest="",
        artifacts=(),
        code_digest="",
    )
