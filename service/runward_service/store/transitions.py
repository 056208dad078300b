"""The transitions that every job makes (created, started, finished), as operations that can be written many at a time.

The writer hands all creations of a batch to one statement, then all starts, then all finishes. Each operation can also
be applied alone, which is how a batch is written again in which one did not find its row.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobMode
from runward_service.store.job_artifacts import keep_artifacts
from runward_service.store.kept_results import keep_results
from runward_service.store.row_statements import by_chunk
from runward_service.store.rows import dump_mapping
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runward_service.domain.job import Job
    from runward_service.domain.outcome import Outcome
    from runward_service.domain.receipt import Receipt
    from runward_service.store.batch import Transaction
    from runward_service.store.receipt_chain import ReceiptChain

SQL_FILE = "transitions.sql"
SQL = statements(SQL_FILE)


class RowNotFound(Exception):  # noqa: N818 - an event more than a fault
    """One of several operations found its row in another state, so they have to be applied one by one."""


class Transition(Protocol):
    """An operation that can be applied alone or together with others of its class."""

    job_id: str

    def __call__(self, tx: Transaction) -> Any:
        """Apply it alone."""

    @staticmethod
    def apply_all(tx: Transaction, operations: Sequence[Any]) -> list[Any]:
        """Apply several; what each returns. Raises RowNotFound where one did not find its row."""


class Creation(NamedTuple):
    """What came of creating a job: its revision, or the id of the job that has its request id already."""

    revision: int
    existing_id: str = ""


class CreateJob:
    """Store a PENDING job and its image. A request id needs a look first: it fails where the id is taken."""

    __slots__ = ("job", "job_id")

    def __init__(self, job: Job) -> None:
        """Create this job."""
        self.job = job
        self.job_id = job.id

    @property
    def content_bytes(self) -> int:
        """The size of its image, where the database holds that."""
        return 0 if self.job.image.data is None else self.job.image.size_bytes

    def __call__(self, tx: Transaction) -> Creation:
        """Apply it alone."""
        return self.apply_all(tx, [self])[0]

    @staticmethod
    def apply_all(tx: Transaction, operations: Sequence[CreateJob]) -> list[Creation]:
        """Apply several; each one's revision."""
        revisions = insert_jobs(tx, [operation.job for operation in operations])
        return [Creation(revision) for revision in revisions]


def insert_jobs(tx: Transaction, jobs: Sequence[Job]) -> list[int]:
    """Insert PENDING jobs with their images; each one's revision, in order. Raises GovernedError as check_files."""
    insert_images(tx, jobs)
    revisions = [tx.next_revision() for _ in jobs]
    rows = [job_row(job, revision) for job, revision in zip(jobs, revisions, strict=True)]
    for sql, parameters, _ in by_chunk(SQL_FILE, "insert_jobs", rows):
        tx.execute(sql, parameters)
    tx.changed += [job.id for job in jobs]
    return revisions


def insert_images(tx: Transaction, jobs: Sequence[Job]) -> None:
    """Insert the images of new jobs. Raises GovernedError as check_files."""
    check_files(jobs)
    images = [(job.tenant, job.image.digest, job.image.size_bytes, job.create_time_us, job.image.data) for job in jobs]
    for sql, parameters, _ in by_chunk(SQL_FILE, "insert_images", images):
        tx.execute(sql, parameters)


def check_files(jobs: Sequence[Job]) -> None:
    """Raises GovernedError STORE_UNAVAILABLE where a large image's file was removed after it was put.

    Files are removed under the write lock, which is held here: one that is there now stays.
    """
    if any(job.image.path is not None and not job.image.path.exists() for job in jobs):
        message = "The same image was removed with an earlier job just now. Try again."
        raise GovernedError(ErrorReason.STORE_UNAVAILABLE, message)


def job_row(job: Job, revision: int) -> tuple[Any, ...]:
    """The values of insert_jobs."""
    return (
        job.id,
        job.tenant,
        job.principal,
        job.request_id,
        job.mode.value,
        job.plugin,
        job.plugin_version,
        1,
        job.image.digest,
        job.mime_type,
        dump_mapping(job.options),
        dump_mapping(job.labels),
        job.priority,
        job.timeout_us,
        job.queue_deadline_us,
        job.max_attempts,
        job.owner,
        int(job.mode is JobMode.ASYNC),
        job.retention_us,
        job.retry_of,
        job.create_time_us,
        revision,
        int(job.skip_cache),
    )


class StartJob:
    """PENDING to RUNNING, attempt 1, of a SYNC job that its own process starts; the revision, 0 when it could not."""

    __slots__ = ("job_id", "owner", "start_time_us")

    def __init__(self, job_id: str, owner: str, start_time_us: int) -> None:
        """Start this job of this owner."""
        self.job_id, self.owner, self.start_time_us = job_id, owner, start_time_us

    def __call__(self, tx: Transaction) -> int:
        """Apply it alone."""
        try:
            return self.apply_all(tx, [self])[0]
        except RowNotFound:
            return 0

    @staticmethod
    def apply_all(tx: Transaction, operations: Sequence[StartJob]) -> list[int]:
        """Apply several; each one's revision."""
        rows = [(one.job_id, one.owner, one.start_time_us, tx.next_revision()) for one in operations]
        update_all(tx, "start_jobs", rows)
        return [row[-1] for row in rows]


class FinishJob:
    """RUNNING to SUCCESS or FAILED, fenced by owner and attempt; the revision, 0 when the job is no longer so."""

    __slots__ = ("_chain", "_image_path", "_outcome", "_receipt", "attempt", "job_id", "owner")

    def __init__(  # noqa: PLR0917 - what an end is made of
        self,
        job: Job,
        owner: str,
        outcome: Outcome,
        receipt: Receipt,
        chain: ReceiptChain,
        image_path: Callable[[str], Path] = Path,
    ) -> None:
        """Finish this owner's attempt of a job with what ToolRunner made of it; its verified receipt joins a chain.
        ``image_path`` tells the file of a large artifact's digest, which has been put there.
        """
        self.job_id, self.attempt, self.owner, self._outcome = job.id, job.attempt, owner, outcome
        self._receipt, self._chain, self._image_path = receipt, chain, image_path

    @property
    def content_bytes(self) -> int:
        """The size of the result, and of the files that came with it."""
        return len(self._outcome.result or b"") + sum(one.size_bytes for one in self._outcome.artifacts)

    def __call__(self, tx: Transaction) -> int:
        """Apply it alone."""
        # Looked for first: what does not find its job leaves no entry in the chain.
        if tx.execute(SQL["job_to_finish"], (self.job_id, self.owner, self.attempt)).fetchone() is None:
            return 0
        return self.apply_all(tx, [self])[0]

    @staticmethod
    def apply_all(tx: Transaction, operations: Sequence[FinishJob]) -> list[int]:
        """Apply several, with the receipts, counters and tracebacks of their outcomes; each one's revision."""
        revisions = [tx.next_revision() for _ in operations]
        update_all(tx, "finish_jobs", FinishJob.rows(tx, operations, revisions))
        FinishJob.keep(tx, operations)
        return revisions

    @staticmethod
    def rows(tx: Transaction, operations: Sequence[FinishJob], revisions: Sequence[int]) -> list[tuple[Any, ...]]:
        """The values of finish_jobs. The receipts that they name join the chain."""
        ends = [(one.job_id, revision, one._receipt) for one, revision in zip(operations, revisions, strict=True)]  # noqa: SLF001
        seqs = operations[0]._chain.add_receipts(tx, ends)  # noqa: SLF001 - its own class
        return [one.row(revision, seq) for one, revision, seq in zip(operations, revisions, seqs, strict=True)]

    @staticmethod
    def keep(tx: Transaction, operations: Sequence[FinishJob]) -> None:
        """Write what ends leave beside their jobs' rows: kept results, counters, tracebacks, artifacts."""
        keep_results(tx, [operation._outcome for operation in operations])  # noqa: SLF001 - its own class
        for operation in operations:
            operation.count(tx)

    def row(self, revision: int, receipt_seq: int) -> tuple[Any, ...]:
        """The values of finish_jobs."""
        outcome, envelope = self._outcome, self._outcome.envelope
        error: tuple[Any, ...] = (None, None, None, None, None)
        if envelope is not None:
            details = json.dumps(dict(envelope.details), ensure_ascii=False)
            error = (envelope.reason.value, envelope.message, details, envelope.plugin, envelope.time_us)
        end = (outcome.status.value, outcome.result, outcome.output_digest, *error, outcome.end_time_us)
        proof = (outcome.code_digest, int(outcome.cached), receipt_seq, self._receipt.marks)
        return (self.job_id, self.owner, self.attempt, *end, revision, *proof)

    def count(self, tx: Transaction) -> None:
        """Add the outcome to the counters and store its traceback."""
        tx.counters.add(self._outcome)
        keep_traceback(tx, self.job_id, self.attempt, self._outcome)
        if self._outcome.artifacts:
            keep_artifacts(tx, self._outcome, self._image_path)


def keep_traceback(tx: Transaction, job_id: str, attempt: int, outcome: Outcome) -> None:
    """Store what an attempt raised, if it did."""
    if outcome.envelope is not None and outcome.envelope.traceback:
        tx.execute(SQL["insert_traceback"], (attempt, outcome.envelope.traceback, job_id))


def update_all(tx: Transaction, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a fenced update for rows that begin with a job's id. Raises RowNotFound unless each finds its job."""
    for sql, parameters, count in by_chunk(SQL_FILE, name, rows):
        if tx.execute(sql, parameters).rowcount != count:
            raise RowNotFound
    tx.changed += [row[0] for row in rows]
