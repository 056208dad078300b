"""Claiming: waiting jobs become RUNNING for this process, in the order that is fair to their callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.store.row_statements import by_chunk
from runward_service.store.rows import job_of
from runward_service.store.statements import statements
from runward_service.store.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runward_service.domain.caller import Caller
    from runward_service.domain.job import Job
    from runward_service.store.batch import Transaction
    from runward_service.store.turns import Share

SQL_FILE = "claims.sql"
SQL = statements(SQL_FILE)


class Claims:
    """What this process claims. Used on the writer's thread alone.

    What a claim costs depends on how many jobs it takes, not on how many wait, nor on how many callers they have.
    """

    def __init__(self, owner: str, image_path: Callable[[str], Path]) -> None:
        """Claim for an owner process; ``image_path`` tells the file of a large image's digest."""
        self._owner = owner
        self._image_path = image_path
        self._turns: dict[str, Turns] = {}

    def claim(self, tx: Transaction, plugin: str, limit: int, ready: int) -> list[Job]:
        """Make up to ``limit`` of a plugin's waiting jobs RUNNING; they come with their images, in the order in which
        they are to run. Where there are as many, it is noted that those after the first ``ready`` have not begun.
        """
        turns = self._turns.setdefault(plugin, Turns())
        shares = turns.deal(waiting_callers(tx, plugin, turns.last, limit), limit)
        seqs = [seq for caller, share in shares.items() for seq in chosen(tx, plugin, caller, share)]
        now = now_us()
        rows = [(seq, self._owner, now, tx.next_revision()) for seq in seqs]
        for sql, parameters, _ in by_chunk(SQL_FILE, "claim_jobs", rows):
            tx.execute(sql, parameters)
        self._note_begun(tx, rows[ready][-1] - 1 if ready < len(rows) == limit else None)
        jobs = {}
        for sql, parameters, _ in by_chunk("job_reader.sql", "jobs_with_image", [(seq,) for seq in seqs]):
            for row in tx.execute(sql, parameters):
                data = row[-2]
                jobs[row[-1]] = job_of(row, data=data, path=None if data is not None else self._image_path(row[8]))
        claimed = [jobs[seq] for seq in seqs]
        tx.changed += [job.id for job in claimed]
        return claimed

    def _note_begun(self, tx: Transaction, upto: int | None) -> None:
        """Of what this process has claimed, all may have begun that has a revision up to one; None for all. Whatever it
        claimed before has a lower one.
        """
        row = tx.execute(SQL["begun_upto"], (self._owner,)).fetchone()
        if upto is not None:
            tx.execute(SQL["set_begun_upto"], (self._owner, upto))
        elif row is not None:
            tx.execute(SQL["all_begun"], (self._owner,))


def waiting_callers(tx: Transaction, plugin: str, last: Caller, limit: int) -> list[tuple[Caller, int]]:
    """Up to ``limit`` callers that have jobs waiting, in the order of their turns after the last one, with how many."""
    rows = tx.execute(SQL["callers_after"], (plugin, *last, limit)).fetchall()
    if len(rows) < limit:
        rows += tx.execute(SQL["callers_up_to"], (plugin, *last, limit - len(rows))).fetchall()
    return [((tenant, principal), jobs) for tenant, principal, jobs in rows]


def chosen(tx: Transaction, plugin: str, caller: Caller, share: Share) -> list[int]:
    """Which of a caller's waiting jobs are taken: the oldest, and those of the highest priority."""
    parameters = (plugin, *caller)
    old = tx.execute(SQL["oldest_jobs"], (*parameters, share.by_age)).fetchall() if share.by_age else []
    total = share.by_age + share.by_priority
    found = {seq: None for (seq,) in old}
    if share.by_priority:
        found.update({seq: None for (seq,) in tx.execute(SQL["first_jobs"], (*parameters, total))})
    return list(found)[:total]
