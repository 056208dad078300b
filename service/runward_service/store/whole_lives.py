"""Jobs whose whole life falls into one batch, created, started and finished: one row each, inserted with its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runward_service.store.row_statements import by_chunk
from runward_service.store.transitions import SQL_FILE, CreateJob, Creation, FinishJob, StartJob, insert_images, job_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.store.batch import Transaction

EVENTS = 3


class WholeLife(NamedTuple):
    """The three transitions of one SYNC job."""

    creation: CreateJob
    start: StartJob
    finish: FinishJob

    @property
    def possible(self) -> bool:
        """Whether they follow each other: one owner's first attempt."""
        owner, finish = self.creation.job.owner, self.finish
        return owner == self.start.owner == finish.owner and finish.attempt == 1


def insert_whole_lives(tx: Transaction, lives: Sequence[WholeLife]) -> list[tuple[Creation, int, int]]:
    """Insert jobs that have ended, with their receipts and those images that are not kept already; what each transition
    comes to. Raises GovernedError as check_files, sqlite3.IntegrityError where an image is not kept any more: then each
    transition is written by itself, its image too.
    """
    insert_images(tx, [life.creation.job for life in lives if not life.creation.job.image.kept])
    first = [tx.next_revisions(EVENTS) for _ in lives]
    finishes = [life.finish for life in lives]
    ends = FinishJob.rows(tx, finishes, [revision + 2 for revision in first])
    rows = [
        (*job_row(life.creation.job, revision + 2), life.start.start_time_us, *end[3:12], *end[13:])
        for life, revision, end in zip(lives, first, ends, strict=True)
    ]
    for sql, parameters, _ in by_chunk(SQL_FILE, "insert_whole_lives", rows):
        tx.execute(sql, parameters)
    tx.changed += [row[0] for row in rows]
    FinishJob.keep(tx, finishes)
    return [(Creation(revision), revision + 1, revision + 2) for revision in first]
