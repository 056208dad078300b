"""Removal of finished jobs: with their events, tracebacks and results, and with those images that no other job has.

The log is compacted from its oldest end, in the order in which jobs ended, so that the oldest jobs are found without a
search; its floor rises in the same transaction. Jobs with a retention of their own, and those that are deleted on
request, leave the log out of turn, and the floor stays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import TERMINAL_STATUSES, JobStatus
from runward_service.domain.retention_policy import RetentionPolicy
from runward_service.store.chain_shortening import ChainShortening
from runward_service.store.images import damaged_path
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from runward_service.domain.job import Principal
    from runward_service.store.batch import Transaction
    from runward_service.store.receipt_chain import ReceiptChain
    from runward_service.store.writer import GroupCommitWriter

SQL = statements("job_removal.sql")
EVENTS_A_STEP = 256
JOBS_A_STEP = 64
BYTES_A_STEP = 1024 * 1024
"""Of images in the database: their pages are overwritten with zeros."""
FILES_A_STEP = 16


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed: jobs, events, images and their bytes. ``more`` tells whether there is more to remove."""

    jobs: int = 0
    events: int = 0
    images: int = 0
    image_bytes: int = 0
    more: bool = False

    def plus(self, other: Removed) -> Removed:
        """Both together; whether there is more is the other's word."""
        return Removed(
            self.jobs + other.jobs,
            self.events + other.events,
            self.images + other.images,
            self.image_bytes + other.image_bytes,
            other.more,
        )


class SqliteJobRemoval:
    """Removes through the group-commit writer, in steps of bounded size. Every method answers once that is on disk."""

    def __init__(self, writer: GroupCommitWriter, image_path: Callable[[str], Path], chain: ReceiptChain) -> None:
        """Write through the writer; ``image_path`` tells the file of a large image's digest; every removal is an entry
        of the chain.
        """
        self._writer = writer
        self._chain = chain
        self._shortening = ChainShortening(chain)
        self._image_path = image_path
        self.before_removal: Callable[[], None] = lambda: None
        """Called before jobs are removed: what it hands over to the writer is written first."""
        self.on_deletion: Callable[[], None] = lambda: None
        """Called when a job was deleted on request."""

    def set_policy(self, policy: RetentionPolicy) -> Awaitable[object]:
        """Store how long jobs are kept, for every process on this store."""
        values = (policy.retain_for_us, policy.retain_jobs)
        return self._writer.submit(lambda tx: tx.execute(SQL["set_policy"], values))

    def policy(self) -> Awaitable[RetentionPolicy | None]:
        """What a server set last; None where none has."""

        def operation(tx: Transaction) -> RetentionPolicy | None:
            _, retain_for_us, retain_jobs, _ = tx.execute(SQL["retention"]).fetchone()
            return RetentionPolicy(retain_for_us, retain_jobs) if retain_for_us else None

        return self._writer.submit(operation)

    def compact_log(self, policy: RetentionPolicy, now: int) -> Awaitable[Removed]:
        """Remove some of the log's oldest events, and the jobs that ended with them, as far as they are too old at
        ``now`` or jobs are too many.

        A job that has not ended, or has a longer retention of its own, stays with its last event.
        """
        self.before_removal()
        return self._writer.submit(lambda tx: _compact(tx, policy, now, self._chain))

    def remove_expired(self, now: int) -> Awaitable[Removed]:
        """Remove some of the finished jobs whose own retention has passed."""

        def operation(tx: Transaction) -> Removed:
            found = tx.execute(SQL["outlived_jobs"], (now, JOBS_A_STEP)).fetchall()
            step = found[: _affordable([image_bytes for _, _, image_bytes in found])]
            _count_past(tx, [revision for _, revision, _ in step])
            more = len(step) < len(found) or len(found) == JOBS_A_STEP
            return _remove_jobs(tx, [seq for seq, _, _ in step], self._chain, more=more)

        self.before_removal()
        return self._writer.submit(operation)

    def remove_uploads(self, now: int) -> Awaitable[Removed]:
        """Let go of some of the uploaded blobs whose time is over, and remove those that no job has."""

        def operation(tx: Transaction) -> Removed:
            found = tx.execute(SQL["outlived_uploads"], (now, JOBS_A_STEP)).fetchall()
            step = [seq for seq, _ in found[: _affordable([image_bytes for _, image_bytes in found])]]
            if not step:
                return Removed()
            tx.execute(SQL["end_uploads"], (json.dumps(step),))
            return _remove_images(tx, step).plus(Removed(more=len(step) < len(found) or len(found) == JOBS_A_STEP))

        return self._writer.submit(operation)

    def shorten_chain(self) -> Awaitable[Removed]:
        """Drop some of the oldest entries of the chain of receipts whose jobs are all gone."""
        return self._writer.submit(lambda tx: Removed(more=self._shortening.shorten(tx) > 0))

    def mark_unused(self, digests: Sequence[str]) -> Awaitable[int]:
        """Mark the files of these digests for removal as far as no image has them; how many are new."""
        listed = json.dumps(digests)
        return self._writer.submit(lambda tx: tx.execute(SQL["mark_unused_files"], (listed,)).rowcount)

    async def remove_files(self) -> Removed:
        """Remove some of the files whose image no job has any more."""
        # Read in a transaction before: what is deleted in that of the removal itself may yet be rolled back, and would
        # then lack its file.
        digests = await self._writer.submit(
            lambda tx: [row[0] for row in tx.execute(SQL["unused_files"], (FILES_A_STEP,)).fetchall()]
        )
        return await self._writer.submit(lambda tx: self._remove_files(tx, digests)) if digests else Removed()

    def _remove_files(self, tx: Transaction, digests: Sequence[str]) -> Removed:
        for digest in digests:
            # The write lock is held: a job that is created with this image meanwhile either has its row already, or
            # finds the file gone when it is committed, and puts it again.
            if tx.execute(SQL["image_exists"], (digest,)).fetchone() is None:
                path = self._image_path(digest)
                path.unlink(missing_ok=True)
                damaged_path(path).unlink(missing_ok=True)
        tx.execute(SQL["forget_unused_files"], (json.dumps(digests),))
        return Removed(more=len(digests) == FILES_A_STEP)

    async def delete_job(self, job_id: str, principal: Principal) -> list[str]:
        """Remove a finished job on a caller's request; the digests of its image and its artifacts, none where the job
        was deleted before.

        Raises GovernedError JOB_NOT_FOUND, or JOB_STATUS_CONFLICT for a job that has not ended.
        """
        self.before_removal()
        answer = await self._writer.submit(lambda tx: _delete_job(tx, job_id, principal, self._chain))
        if isinstance(answer, GovernedError):
            raise answer
        self.on_deletion()
        return answer


def _compact(tx: Transaction, policy: RetentionPolicy, now: int, chain: ReceiptChain) -> Removed:
    looked_upto, _, _, finished = tx.execute(SQL["retention"]).fetchone()
    excess = finished - policy.retain_jobs if policy.retain_jobs else 0
    before = now - policy.retain_for_us
    jobs: list[int] = []
    superseded: list[int] = []
    image_bytes = past = 0
    upto = looked_upto
    full = False
    rows = tx.execute(SQL["log_head"], (looked_upto, EVENTS_A_STEP)).fetchall()
    for revision, time, status, job_seq, last_revision, own_retention, inline_bytes in rows:
        full = len(jobs) == JOBS_A_STEP or image_bytes >= BYTES_A_STEP
        if full or (time > before and past >= excess):
            break
        upto = revision
        if status in TERMINAL_STATUSES:
            past += 1
            if not own_retention:
                jobs.append(job_seq)
                image_bytes += inline_bytes
        elif revision < last_revision:
            superseded.append(revision)
    if upto == looked_upto:
        return Removed()
    tx.execute(SQL["raise_floor"], (upto, upto, past))
    tx.execute(SQL["delete_old_deletions"], (upto,))
    events = tx.execute(SQL["delete_events"], (json.dumps(superseded),)).rowcount if superseded else 0
    more = full or len(rows) == EVENTS_A_STEP
    return Removed(events=events).plus(_remove_jobs(tx, jobs, chain, more=more))


def _affordable(sizes: Sequence[int]) -> int:
    """How many of the images with these sizes, one at least, can be removed in one step."""
    total = 0
    for count, size in enumerate(sizes):
        if total >= BYTES_A_STEP:
            return count
        total += size
    return len(sizes)


def _count_past(tx: Transaction, revisions: Sequence[int]) -> None:
    """Jobs that ended at these revisions go before compaction has come to them."""
    looked_upto = tx.execute(SQL["retention"]).fetchone()[0]
    if above := sum(revision > looked_upto for revision in revisions):
        tx.execute(SQL["count_past"], (above,))


def _remove_jobs(
    tx: Transaction, seqs: Sequence[int], chain: ReceiptChain, *, more: bool = False, uploads: bool = False
) -> Removed:
    """Remove jobs with their images and artifacts; with ``uploads``, also those that were uploaded and whose time is
    not over.
    """
    if not seqs:
        return Removed(more=more)
    listed = json.dumps(seqs)
    events = tx.execute(SQL["count_events_of_jobs"], (listed,)).fetchone()[0]
    image_seqs = [row[0] for row in tx.execute(SQL["artifacts_of_jobs"], (listed,)).fetchall()]
    removed = tx.execute(SQL["delete_jobs"], (listed,)).fetchall()
    image_seqs += [row[0] for row in removed]
    chain.add_removal(tx, [row[1] for row in removed])
    if uploads:
        tx.execute(SQL["end_uploads"], (json.dumps(image_seqs),))
    return Removed(len(seqs), events).plus(_remove_images(tx, image_seqs)).plus(Removed(more=more))


def _remove_images(tx: Transaction, seqs: Sequence[int]) -> Removed:
    """Remove those of some images that nothing refers to any more."""
    images = tx.execute(SQL["delete_unused_images"], (json.dumps(seqs),)).fetchall()
    if files := [digest for digest, _, is_file in images if is_file]:
        tx.execute(SQL["insert_unused_files"], (json.dumps(files),))
    return Removed(images=len(images), image_bytes=sum(size for _, size, _ in images))


def _delete_job(tx: Transaction, job_id: str, principal: Principal, chain: ReceiptChain) -> list[str] | GovernedError:
    row = tx.execute(SQL["job_to_delete"], (job_id,)).fetchone()
    if row is None or row[1] != principal.tenant:
        if tx.execute(SQL["deletion_of_job"], (job_id, principal.tenant)).fetchone():
            return []
        return GovernedError(ErrorReason.JOB_NOT_FOUND, "No job has this id.", {"job_id": job_id[:64]})
    seq, _, status, revision, digest = row
    if status not in TERMINAL_STATUSES:
        name = JobStatus(status).name
        message = f"The job is {name}. Cancel it first, or wait for its end."
        return GovernedError(ErrorReason.JOB_STATUS_CONFLICT, message, {"status": name, "job_id": job_id})
    _count_past(tx, [revision])
    digests = [digest, *(row[1] for row in tx.execute(SQL["artifacts_of_jobs"], (json.dumps([seq]),)))]
    _remove_jobs(tx, [seq], chain, uploads=True)
    taken = tx.next_revision()
    tx.execute(SQL["take_revision"], (taken,))
    tx.execute(SQL["insert_deletion"], (taken, job_id, principal.tenant, principal.name, now_us()))
    tx.changed.append(job_id)
    return digests
