"""Writes of jobs: every transition of a job's status, and nothing else, goes through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runward_service.domain.clock import now_us
from runward_service.domain.job import JobMode, JobStatus
from runward_service.store.claims import Claims
from runward_service.store.kept_results import is_renewal
from runward_service.store.row_statements import by_chunk
from runward_service.store.statements import statements
from runward_service.store.transitions import (
    CreateJob,
    Creation,
    FinishJob,
    StartJob,
    insert_jobs,
    keep_traceback,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from runward_service.domain.job import Job
    from runward_service.domain.outcome import Outcome
    from runward_service.domain.receipt import Receipt
    from runward_service.store.batch import Transaction
    from runward_service.store.receipt_chain import ReceiptChain
    from runward_service.store.writer import GroupCommitWriter

SQL = statements("job_store.sql")


class SqliteJobStore:
    """The job store on the group-commit writer. Every method answers once its change is on disk."""

    def __init__(
        self,
        writer: GroupCommitWriter,
        owner: str,
        image_path: Callable[[str], Path],
        verify_outcome: Callable[[Outcome, Job], Receipt],
        chain: ReceiptChain,
    ) -> None:
        """Write for one owner process; ``image_path`` tells the file of a large image's digest; ``verify_outcome`` the
        receipt that ToolRunner made of an outcome, and raises GovernanceViolation where there is none for that job and
        attempt; it joins the ``chain``.
        """
        self._writer = writer
        self._owner = owner
        self._image_path = image_path
        self._claims = Claims(owner, image_path)
        self._verify_outcome = verify_outcome
        self._chain = chain
        self.on_renewal: Callable[[Outcome], None] = lambda outcome: None
        """Hears of every job that is on its way to the store with an output that is kept already."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._writer.closed

    def create_job(self, job: Job, *, deferred: bool = False) -> Awaitable[Creation]:
        """Store a PENDING job and its image.

        With a request id that the principal used before, stores nothing and answers with that job's id. A deferred
        write shares the commit of the job's next transition.
        """
        create = CreateJob(job)
        if not job.request_id:
            return self._writer.submit(create, deferred=deferred)

        def operation(tx: Transaction) -> Creation:
            row = tx.execute(SQL["job_by_request_id"], _request_key(job)).fetchone()
            return Creation(0, row[0]) if row else create(tx)

        return self._writer.submit(operation, deferred=deferred)

    def find_request(self, job: Job) -> Awaitable[str]:
        """The id of the job that has a job's request id, empty where none has."""

        def operation(tx: Transaction) -> str:
            row = tx.execute(SQL["job_by_request_id"], _request_key(job)).fetchone()
            return str(row[0]) if row else ""

        return self._writer.submit(operation)

    def flush(self) -> Awaitable[None]:
        """Answers once all that was handed over before is on disk."""
        return self._writer.submit(lambda _: None)

    def create_jobs(self, jobs: Sequence[Job]) -> Awaitable[list[Creation]]:
        """Store many PENDING jobs and their images in one transaction: all of them or none. Request ids count as for
        create_job, those of the same call too.
        """

        def operation(tx: Transaction) -> list[Creation]:
            known = _known_request_ids(tx, [_request_key(job) for job in jobs if job.request_id])
            existing: list[str] = []
            new = []
            for job in jobs:
                earlier = known.setdefault(_request_key(job), job.id) if job.request_id else job.id
                existing.append("" if earlier == job.id else earlier)
                if earlier == job.id:
                    new.append(job)
            revisions = iter(insert_jobs(tx, new))
            return [Creation(0, earlier) if earlier else Creation(next(revisions)) for earlier in existing]

        return self._writer.submit(operation)

    def defer_creation(self, job: Job) -> None:
        """Store a PENDING job and its image together with the job's next transition. Its request id, if it has one, is
        known to be new; where another process took it meanwhile, nothing is stored, and the finish finds no job.
        """
        self._writer.defer(CreateJob(job))

    def defer_start(self, job_id: str, start_time_us: int) -> None:
        """PENDING to RUNNING, attempt 1, of a SYNC job that this process owns, together with the job's next transition.
        Where it finds its job in another state, so does that one, which is waited for.
        """
        self._writer.defer(StartJob(job_id, self._owner, start_time_us))

    def claim_jobs(
        self, plugin: str, limit: int, ready: int | None = None, *, deferred: bool = False
    ) -> Awaitable[list[Job]]:
        """Claim up to ``limit`` waiting jobs of a plugin for this process, in turns between callers: RUNNING, the
        attempt counted, the image at hand. What is handed over before is claimed, too, and shares the commit of a
        deferred claim.

        Where as many are claimed, only the first ``ready`` of them (all by default) may begin before another claim has
        told the store that the others may: until then, those cost no attempt should this process die.
        """
        begin = limit if ready is None else ready
        return self._writer.submit(
            lambda tx: self._claims.claim(tx, plugin, limit, begin), deferred=deferred, last=True
        )

    def give_back(self, jobs: Sequence[Job]) -> Awaitable[int]:
        """Make jobs that this process has claimed and not begun claimable by any; answers how many."""
        rows = [(job.id, self._owner, job.attempt) for job in jobs]
        return self._writer.submit(
            lambda tx: sum(
                tx.execute(sql, values).rowcount for sql, values, _ in by_chunk("claims.sql", "give_back", rows)
            )
        )

    def next_attempt(self, job: Job, outcome: Outcome) -> Awaitable[bool]:
        """Count an attempt as used up and begin the next, still RUNNING; what the attempt raised is kept. False when
        the job is no longer this process's.
        """
        self._verify_outcome(outcome, job)

        def operation(tx: Transaction) -> bool:
            revision = tx.next_revision()
            parameters = (now_us(), revision, job.id, self._owner, job.attempt)
            if not _changed(tx, job.id, SQL["next_attempt"], parameters, revision):
                return False
            keep_traceback(tx, job.id, job.attempt, outcome)
            return True

        return self._writer.submit(operation)

    def finish_job(self, job: Job, outcome: Outcome, *, deferred: bool = False) -> Awaitable[int]:
        """RUNNING to SUCCESS or FAILED with what ToolRunner made of the job's current attempt.

        Answers with the revision, or 0 when the job is no longer RUNNING in that attempt for this process: then nothing
        was written. Raises GovernanceViolation, and writes nothing, for an outcome that is not ToolRunner's of that
        attempt. A deferred write waits a moment for others to share its commit.
        """
        finish = self._finish(job, outcome)
        stored = self._writer.submit(finish, deferred=deferred, lone=job.mode is JobMode.SYNC)
        if is_renewal(outcome):
            self.on_renewal(outcome)
        return stored

    def _finish(self, job: Job, outcome: Outcome) -> FinishJob:
        receipt = self._verify_outcome(outcome, job)
        return FinishJob(job, self._owner, outcome, receipt, self._chain, self._image_path)

    def end_unrun_job(self, job: Job, outcome: Outcome) -> Awaitable[int]:
        """End a job that this process does not run: PENDING, or RUNNING for an owner that is proved dead.

        A PENDING job passes through RUNNING in the same transaction. Answers with the revision, or 0 when the job has
        changed since it was read. Raises GovernanceViolation as finish_job does.
        """
        finish = self._finish(job, outcome)

        def operation(tx: Transaction) -> int:
            if job.status is JobStatus.PENDING:
                revision = tx.next_revision()
                now = outcome.end_time_us
                begin = (now, self._owner, now, revision, job.id, job.owner)
                taken = _changed(tx, job.id, SQL["begin_ending"], begin, revision)
            else:
                taken = tx.execute(SQL["take_over"], (self._owner, job.id, job.owner, job.attempt)).rowcount
            return finish(tx) if taken else 0

        return self._writer.submit(operation)

    def set_progress(self, job_id: str, fraction: float, message: str) -> Awaitable[int]:
        """Store a progress report of a job that this process runs; 0 when it does not."""

        def operation(tx: Transaction) -> int:
            revision = tx.next_revision()
            parameters = (fraction, message, now_us(), revision, job_id, self._owner)
            return _changed(tx, job_id, SQL["set_progress"], parameters, revision)

        return self._writer.submit(operation, deferred=True)

    def request_cancel(self, job_id: str) -> Awaitable[bool]:
        """Mark an unfinished job as to be cancelled, for whichever process owns it. False when it has ended already."""
        return self._writer.submit(lambda tx: tx.execute(SQL["request_cancel"], (job_id,)).rowcount > 0)

    def release_drained(self) -> Awaitable[int]:
        """Give this process's running ASYNC jobs back, claimable by any process; answers how many."""
        return self._writer.submit(lambda tx: tx.execute(SQL["release_drained"], (self._owner,)).rowcount)

    def release_lost(self, dead_owner: str) -> Awaitable[int]:
        """Make a dead owner's running ASYNC jobs that have attempts left claimable; answers how many."""
        return self._writer.submit(lambda tx: tx.execute(SQL["release_lost"], (dead_owner,)).rowcount)

    def begin_chain(self) -> Awaitable[None]:
        """Begin the chain of receipts, and tell it of a new key."""
        return self._writer.submit(self._chain.begin)

    def add_owner(self, pid: int) -> Awaitable[object]:
        """Record this process as an owner."""
        return self._writer.submit(lambda tx: _ran(tx, SQL["insert_owner"], (self._owner, pid, now_us())))

    def remove_owner(self, owner: str) -> Awaitable[bool]:
        """Forget an owner. False where it has unfinished jobs left."""

        def operation(tx: Transaction) -> bool:
            removed = tx.execute(SQL["delete_owner"], (owner, owner)).rowcount > 0
            if removed:
                tx.execute(SQL["delete_claimed_ahead"], (owner,))
            return removed

        return self._writer.submit(operation)

    def disable_plugin(self, plugin: str, reason: str) -> Awaitable[object]:
        """Store that an operator disabled a plugin."""
        return self._writer.submit(lambda tx: _ran(tx, SQL["disable_plugin"], (plugin, reason, now_us())))

    def enable_plugin(self, plugin: str) -> Awaitable[object]:
        """Take disable_plugin back."""
        return self._writer.submit(lambda tx: _ran(tx, SQL["enable_plugin"], (plugin,)))


def _request_key(job: Job) -> tuple[str, str, str]:
    return job.tenant, job.principal, job.request_id


def _known_request_ids(tx: Transaction, keys: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
    """The ids of the jobs that there are for some of these keys."""
    known = {}
    for sql, parameters, _ in by_chunk("job_store.sql", "jobs_by_request_id", keys):
        known.update({(row[0], row[1], row[2]): row[3] for row in tx.execute(sql, parameters)})
    return known


def _changed(tx: Transaction, job_id: str, sql: str, parameters: tuple[Any, ...], revision: int) -> int:
    """Run a fenced update; the revision when it found its row, else 0."""
    if tx.execute(sql, parameters).rowcount == 0:
        return 0
    tx.changed.append(job_id)
    return revision


def _ran(tx: Transaction, sql: str, parameters: tuple[Any, ...]) -> None:
    tx.execute(sql, parameters)
