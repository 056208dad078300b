"""What clients were told: kept outside the servers, and held against the store when all has settled."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runward_service.governance.receipt_key_file import load
from tests.crash.invariants import broken_invariants

if TYPE_CHECKING:
    from pathlib import Path

    from runward import Job

STATUS = {"PENDING": 1, "RUNNING": 2, "SUCCESS": 3, "FAILED": 4}


@dataclass
class Ledger:
    """Jobs that were accepted, ends that were told, and what watches have seen."""

    accepted: dict[str, str] = field(default_factory=dict)
    """Job ids by request id."""
    ended: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """(status, revision, reason) by job id."""
    watched: list[tuple[str, int, list[tuple[int, int, int]], bool]] = field(default_factory=list)
    """(job id, after revision, [(revision, status, attempt)], whether it saw the end)."""
    deleted: set[str] = field(default_factory=set)
    """Ids of jobs whose deletion was asked for, whatever came of it."""
    erased: set[str] = field(default_factory=set)
    """Ids of those whose deletion was acknowledged."""
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def accept(self, request_id: str, job: Job) -> None:
        """A job was accepted, maybe again under the same request id."""
        if self.accepted.setdefault(request_id, job.id) != job.id:
            self.problems.append(f"request id {request_id} gave two jobs: {self.accepted[request_id]}, {job.id}")
        self.counts["accepted"] += 1

    def end(self, job: Job) -> None:
        """A job was told to have ended."""
        end = STATUS[job.status], job.revision, job.error.reason if job.error else ""
        if self.ended.setdefault(job.id, end) != end:
            self.problems.append(f"job {job.id} was told to have ended twice: {self.ended[job.id]}, {end}")

    def check(self, data: Path) -> list[str]:
        """What does not hold, now that all has settled."""
        found = [*self.problems, *broken_invariants(data, load(None), some_deleted=bool(self.deleted))]
        with closing(sqlite3.connect(data / "runward.db")) as connection:
            rows = connection.execute("SELECT id, status, revision, coalesce(error_reason, ''), request_id FROM job")
            jobs = {row[0]: row[1:] for row in rows}
            expected = set(self.accepted.values()) - self.deleted
            found += [f"accepted job {job} is gone" for job in expected if job not in jobs]
            found += [f"erased job {job} is there" for job in self.erased if job in jobs]
            for job_id, end in self.ended.items():
                if job_id in self.deleted:
                    continue
                if job_id not in jobs or jobs[job_id][:3] != end:
                    found.append(f"job {job_id} was told to have ended {end}, the store says {jobs.get(job_id)}")
            for watch in self.watched:
                if watch[0] not in self.deleted:
                    found += self._check_watch(connection, *watch)
        return found

    def _check_watch(
        self, connection: sqlite3.Connection, job_id: str, after: int, seen: list[tuple[int, int, int]], whole: bool
    ) -> list[str]:
        sql = """SELECT revision, status, attempt FROM job_event
                 WHERE job_seq = (SELECT seq FROM job WHERE id = ?) AND revision > ? ORDER BY revision"""
        events = connection.execute(sql, (job_id, after)).fetchall()
        if seen == (events if whole else events[: len(seen)]):
            return []
        return [f"a watch of {job_id} after {after} saw {seen}, the log has {events}"]
