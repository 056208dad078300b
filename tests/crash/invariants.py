"""What must hold of a data folder on which everything has settled, whatever happened before."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from runward_service.domain.job import JobStatus
from runward_service.store.audit import audit
from runward_service.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runward_service.domain.receipt_keys import ReceiptKeys

PENDING, RUNNING = JobStatus.PENDING.value, JobStatus.RUNNING.value
TERMINAL = (JobStatus.SUCCESS.value, JobStatus.FAILED.value)


@dataclass(frozen=True, slots=True)
class JobRow:
    """What the invariants look at of a job."""

    seq: int
    id: str
    name: str
    plugin: str
    status: int
    attempt: int
    revision: int
    reason: str
    max_attempts: int
    lost_attempts: int
    mode: int


def read_jobs(connection: sqlite3.Connection) -> list[JobRow]:
    """All jobs, oldest first."""
    sql = """SELECT seq, id, coalesce(json_extract(labels, '$.name'), ''), plugin, status, attempt, revision,
                    coalesce(error_reason, ''), max_attempts, lost_attempts, mode FROM job ORDER BY seq"""
    return [JobRow(*row) for row in connection.execute(sql)]


def broken_invariants(data: Path, keys: ReceiptKeys, *, some_deleted: bool = False) -> list[str]:
    """What does not hold; empty when all does. ``some_deleted``: finished jobs may have been deleted."""
    with closing(sqlite3.connect(data / "runward.db")) as connection:
        jobs = read_jobs(connection)
        found = [*unsound_database(connection)]
        found += [
            f"{job.id} ({job.name}) is {JobStatus(job.status).name}" for job in jobs if job.status not in TERMINAL
        ]
        found += [problem for job in jobs for problem in wrong_history(connection, job, some_deleted=some_deleted)]
        found += wrong_counters(connection, jobs, some_deleted=some_deleted)
        found += missing_images(connection, data)
        found += wrong_kept_results(connection)
        found += owners_left(connection, data)
    found += wrong_receipts(data, keys)
    return found


def unsound_database(connection: sqlite3.Connection) -> Iterator[str]:
    """SQLite's own checks, and the revisions: none beyond the last that was given out."""
    for (line,) in connection.execute("PRAGMA integrity_check").fetchall():
        if line != "ok":
            yield f"integrity_check: {line}"
    for row in connection.execute("PRAGMA foreign_key_check").fetchall():
        yield f"foreign_key_check: {row}"
    orphans = connection.execute("SELECT count(*) FROM job_event WHERE job_seq NOT IN (SELECT seq FROM job)").fetchone()
    if orphans != (0,):
        yield f"{orphans[0]} events belong to no job"


def wrong_history(connection: sqlite3.Connection, job: JobRow, *, some_deleted: bool = False) -> Iterator[str]:
    """Where a job's events are no legal path to what its row says."""
    sql = "SELECT revision, status, attempt, progress_fraction FROM job_event WHERE job_seq = ? ORDER BY revision"
    events = connection.execute(sql, (job.seq,)).fetchall()
    if not events and some_deleted:
        return
    path = [(status, attempt) for _, status, attempt, _ in events]
    told = f"{job.id} ({job.name}) {path}"
    if not path or (path[0] != (PENDING, 0) and not some_deleted):
        yield f"{told}: it does not begin PENDING"
        return
    if events[-1][0] != job.revision or path[-1] != (job.status, job.attempt):
        yield f"{told}: the row says {(job.status, job.attempt)} at revision {job.revision}, not {events[-1][0]}"
    if [status in TERMINAL for status, _ in path].count(True) != (job.status in TERMINAL):
        yield f"{told}: it has more than one end, or none"
    for (before, attempt), (after, next_attempt) in pairwise(path):
        legal = (before, after) in {(PENDING, PENDING), (PENDING, RUNNING), (RUNNING, RUNNING)} or (
            before == RUNNING and after in TERMINAL and next_attempt == attempt
        )
        if not legal or not 0 <= next_attempt - attempt <= 1:
            yield f"{told}: from {(before, attempt)} to {(after, next_attempt)}"
    if job.lost_attempts >= job.max_attempts:
        yield f"{told}: {job.lost_attempts} attempts were lost of {job.max_attempts} allowed"


def wrong_counters(connection: sqlite3.Connection, jobs: list[JobRow], *, some_deleted: bool = False) -> Iterator[str]:
    """Where the stored counters are not the finished jobs, or the durations not the runs."""
    counted = {
        plugin: (success, error)
        for plugin, success, error in connection.execute(
            "SELECT plugin, success_count, error_count FROM plugin_counter"
        )
    }
    for plugin in sorted({job.plugin for job in jobs} | set(counted)):
        own = [job.status for job in jobs if job.plugin == plugin]
        ended = own.count(JobStatus.SUCCESS.value), own.count(JobStatus.FAILED.value)
        stored = counted.get(plugin, (0, 0))
        if stored != ended and not (some_deleted and stored[0] >= ended[0] and stored[1] >= ended[1]):
            yield f"the counters of {plugin} are {stored}, its jobs' ends {ended}"
    sql = """SELECT plugin, run_count, (SELECT coalesce(sum(count), 0) FROM plugin_duration AS d
             WHERE d.plugin = c.plugin) FROM plugin_counter AS c"""
    for plugin, runs, durations in connection.execute(sql):
        if runs != durations or runs > sum(counted[plugin]):
            yield f"{plugin} has {runs} runs, {durations} durations, {sum(counted[plugin])} ends"


def wrong_kept_results(connection: sqlite3.Connection) -> Iterator[str]:
    """Kept outputs that are not those of a job that ended SUCCESS, byte for byte, its list of files included, or that
    were kept under another key.
    """
    sql = """SELECT kept.job_seq, kept.key, kept.checksum, kept.size_bytes, job.status, job.result, job.output_digest
             FROM kept_result AS kept LEFT JOIN job ON job.seq = kept.job_seq"""
    for seq, key, checksum, size, status, result, digest in connection.execute(sql):
        if status != JobStatus.SUCCESS.value:
            yield f"an output is kept of job {seq}, whose status is {status}"
            continue
        sql = """SELECT name, digest, size_bytes, mime_type FROM job_artifact JOIN image ON image.seq = image_seq
                 WHERE job_seq = ? ORDER BY place"""
        files = connection.execute(sql, (seq,)).fetchall()
        listed = "".join(json.dumps(file) for file in files)
        found = hashlib.sha256(key + (listed + digest).encode() + result).digest()
        if found != checksum or len(result) + sum(file[2] for file in files) != size:
            yield f"the kept output of job {seq} is another"


def wrong_receipts(data: Path, keys: ReceiptKeys) -> Iterator[str]:
    """Where a finished job lacks its one receipt, or the chain is not whole."""
    report = audit(Database(data), keys, lambda *_: None)
    for finding in report.findings:
        yield f"audit: {finding.finding}: {finding.message}"
    if report.unverifiable or report.jobs_before:
        yield f"audit: {report.unverifiable} cannot be verified, {report.jobs_before} jobs are from before receipts"


def owners_left(connection: sqlite3.Connection, data: Path) -> Iterator[str]:
    """Owners that are still known though every service has stopped, and what else is left of them."""
    for (owner,) in connection.execute("SELECT id FROM owner"):
        yield f"owner {owner} is still known"
    for path in (data / "owners").iterdir():
        yield f"{path.name} is left of an owner"


def missing_images(connection: sqlite3.Connection, data: Path) -> Iterator[str]:
    """Images that the database names and that are not there, or are others."""
    for digest, size, content in connection.execute("SELECT digest, size_bytes, data FROM image"):
        path = data / "images" / digest[7:9] / digest[7:]
        if content is None and not path.exists():
            yield f"the file of {digest} is missing"
            continue
        stored = path.read_bytes() if content is None else content
        if len(stored) != size or f"sha256:{hashlib.sha256(stored).hexdigest()}" != digest:
            yield f"{digest} has other bytes"
