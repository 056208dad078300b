"""Reads of jobs, events, counters, on a connection of their own: what is committed, never what is under way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiosqlite

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobStatus
from runward_service.domain.receipt import Receipt
from runward_service.store.database import BUSY_TIMEOUT_MS
from runward_service.store.histogram import percentile
from runward_service.store.log_entry import ROW_BYTES, LogEntry
from runward_service.store.rows import dump_mapping, job_of
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runward_service.domain.job import Job
    from runward_service.store.database import Database

SQL = statements("job_reader.sql")
FAILED = frozenset({JobStatus.FAILED})
UNFINISHED = frozenset({JobStatus.PENDING, JobStatus.RUNNING})
LIST_ALL = SQL["list_jobs"].replace("{among}", "1")
LIST_FAILED = SQL["list_jobs"].replace("{among}", "job.status = 4")
LIST_UNFINISHED = SQL["list_jobs"].replace("{among}", "job.seq IN (SELECT seq FROM job WHERE status IN (1, 2))")
"""Few of many jobs fail or are unfinished: they are not looked for among all."""
LAST_SEQ = 2**62
MAX_PAGE_BYTES = 1024 * 1024
"""Characters take up to three bytes, and a stock client reads four mebibytes."""


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list: those of a tenant that fit every filter that is set. Times are microseconds, 0 for none."""

    tenant: str
    plugin: str = ""
    statuses: tuple[JobStatus, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    create_time_from_us: int = 0
    create_time_before_us: int = 0


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first; ``next_before`` starts the next page, 0 after the last; ``revision`` is the log's
    when read.
    """

    jobs: Sequence[Job]
    next_before: int
    revision: int


@dataclass(frozen=True, slots=True)
class LogPage:
    """Changes in order of revision; ``upto`` is the revision up to which they are all that fit, ``floor`` the one up to
    which the log may have been compacted when they were read.
    """

    entries: Sequence[LogEntry]
    upto: int
    floor: int = 0


@dataclass(frozen=True, slots=True)
class PluginCounters:
    """A plugin's finished jobs: counts, and durations of runs in microseconds."""

    success_count: int = 0
    error_count: int = 0
    last_us: int = 0
    mean_us: int = 0
    p50_us: int = 0
    p99_us: int = 0
    last_used_time_us: int = 0
    cached_count: int = 0


def bounded(entries: Sequence[LogEntry]) -> Sequence[LogEntry]:
    """As many of a page's entries, one at least, as it may hold without taking too much memory."""
    size = 0
    for count, entry in enumerate(entries):
        size += entry.size
        if count and size > MAX_PAGE_BYTES:
            return entries[:count]
    return entries


def listed(rows: Sequence[Sequence[Any]]) -> int:
    """How many rows, one at least, a page may hold without being too large for a stock client."""
    size = 0
    for count, row in enumerate(rows):
        size += ROW_BYTES + sum(len(value) for value in row if isinstance(value, str))
        if count and size > MAX_PAGE_BYTES:
            return count
    return len(rows)


def list_statement(statuses: Sequence[JobStatus]) -> str:
    """The statement that lists jobs in these statuses, any for none, without a look at the history where it can."""
    wanted = frozenset(statuses)
    if wanted and wanted <= FAILED:
        return LIST_FAILED
    return LIST_UNFINISHED if wanted and wanted <= UNFINISHED else LIST_ALL


class SqliteJobReader:
    """The reads, each one crossing to the reader's thread once."""

    def __init__(self, database: Database) -> None:
        """Read from a database; call open before anything else."""
        self._database = database
        self._connection: aiosqlite.Connection

    async def open(self) -> None:
        """Open the connection, on which writing is refused."""
        self._connection = await aiosqlite.connect(self._database.path, isolation_level=None)
        await self._connection.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await self._connection.execute_fetchall("PRAGMA query_only = ON")

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _rows(self, name: str, parameters: Any = ()) -> list[Any]:
        return await self._rows_of(SQL[name], parameters)

    async def _rows_of(self, sql: str, parameters: Any) -> list[Any]:
        return list(await self._connection.execute_fetchall(sql, parameters))

    async def get_job(self, job_id: str, tenant: str | None) -> Job:
        """A tenant's job (any tenant's for None), with its result. Raises GovernedError JOB_NOT_FOUND."""
        row = _of_tenant(await self._rows("job_by_id", (job_id,)), job_id, tenant)
        job = job_of(row)
        return job._replace(receipt=Receipt(*row[-5:])) if row[-5] is not None else job

    async def get_job_with_image(self, job_id: str, tenant: str) -> Job:
        """A tenant's job as get_job gives it, with a small image's bytes; a large one's file is named by its digest."""
        rows = await self._rows("job_with_image", (job_id,))
        return job_of(_of_tenant(rows, job_id, tenant), data=rows[0][-1])

    async def list_jobs(self, query: JobQuery, limit: int, before: int = 0) -> JobPage:
        """One page of a query, newest first, without results."""
        # Read first: a change between the two reads is then seen twice by who watches from it, not missed.
        revision = await self.last_revision()
        rows = await self._rows_of(
            list_statement(query.statuses),
            {
                "tenant": query.tenant,
                "before_seq": before or LAST_SEQ,
                "plugin": query.plugin,
                "statuses": json.dumps([status.value for status in query.statuses]),
                "labels": dump_mapping(query.labels),
                "create_time_from": query.create_time_from_us,
                "create_time_before": query.create_time_before_us or LAST_SEQ,
                "limit": limit + 1,
            },
        )
        page = rows[: listed(rows[:limit])]
        return JobPage([job_of(row) for row in page], page[-1][-1] if len(rows) > len(page) else 0, revision)

    async def job_log_page(self, job_id: str, after: int, limit: int) -> LogPage:
        """A job's changes after a revision, in order; ``upto`` is the last one's."""
        rows = await self._rows("job_log_page", {"id": job_id, "after": after, "limit": limit})
        entries = bounded([LogEntry(row) for row in rows])
        return LogPage(entries, entries[-1].revision if entries else after, await self.log_floor())

    async def log_tail(self, after: int, limit: int) -> LogPage:
        """The changes of all jobs of all tenants after a revision, in order; ``upto`` is the last one's."""
        entries = bounded([LogEntry(row) for row in await self._rows("log_tail", (after, limit))])
        return LogPage(entries, entries[-1].revision if entries else after)

    async def log_page(self, query: JobQuery, after: int, upto: int, limit: int) -> LogPage:
        """Changes of the jobs that fit a query, after one revision and up to another, in order. The statuses of the
        query are those of the changes; its times are not used. Where there are none, the page spans what follows
        without a change, too.
        """
        rows = await self._rows(
            "log_page",
            {
                "after": after,
                "upto": upto,
                "tenant": query.tenant,
                "plugin": query.plugin,
                "statuses": json.dumps([status.value for status in query.statuses]),
                "labels": dump_mapping(query.labels),
                "limit": limit,
            },
        )
        entries = bounded([LogEntry(row) for row in rows])
        whole = len(entries) == len(rows) < limit
        if not rows:  # a restored or compacted log has wide gaps
            upto = max(upto, (await self._next_revision(upto) or upto + 1) - 1)
        # Read after the changes: what was there when they were read, the floor does not hide.
        return LogPage(entries, upto if whole else entries[-1].revision, await self.log_floor())

    async def _next_revision(self, after: int) -> int:
        """The revision of the first change of any job after one, 0 when there is none."""
        return int((await self._rows("next_revision", (after,)))[0][0] or 0)

    async def last_revision(self) -> int:
        """The revision of the last change of any job, 0 when there was none."""
        return int((await self._rows("last_revision"))[0][0])

    async def log_floor(self) -> int:
        """How far the log is compacted: of the events up to this revision, only each job's last is sure to be there.

        A cursor at or above it misses nothing. Read it after what was read from a cursor: it may have risen meanwhile.
        """
        return int((await self._rows("log_floor"))[0][0])

    async def owners(self) -> list[str]:
        """The processes that have not resigned, and the owners of unfinished jobs."""
        return [row[0] for row in await self._rows("owners")]

    async def data_version(self) -> int:
        """A number that changes when any other connection, of this process or another, has committed."""
        return int((await self._rows("data_version"))[0][0])

    async def cancel_requests(self, owner: str) -> list[str]:
        """The ids of an owner's unfinished jobs that are to be cancelled."""
        return [row[0] for row in await self._rows("cancel_requests", (owner,))]

    async def owned_jobs(self, owner: str) -> list[str]:
        """The ids of an owner's unfinished jobs."""
        return [row[0] for row in await self._rows("owned_jobs", (owner,))]

    async def claimable_plugins(self) -> list[str]:
        """The plugins that have jobs waiting."""
        return [row[0] for row in await self._rows("claimable_plugins")]

    async def expired_jobs(self, now: int, limit: int) -> list[str]:
        """The ids of pending jobs whose queue deadline has passed."""
        return [row[0] for row in await self._rows("expired_jobs", (now, limit))]

    async def next_queue_deadline(self) -> int:
        """The earliest queue deadline of a pending job, 0 when none has one."""
        rows = await self._rows("next_queue_deadline")
        return int(rows[0][0] or 0)

    async def queued_counts(self) -> dict[str, int]:
        """How many jobs wait, by plugin."""
        return {row[0]: row[1] for row in await self._rows("queued_counts")}

    async def queued(self) -> dict[str, tuple[int, int]]:
        """How many jobs wait to be claimed and how many bytes their images have, by plugin."""
        return {row[0]: (row[1], row[2]) for row in await self._rows("queued")}

    async def owner_count(self) -> int:
        """How many processes use the store, or have left it without a word."""
        rows = await self._rows("owner_count")
        return int(rows[0][0])

    async def counters(self) -> dict[str, PluginCounters]:
        """The counters, by plugin."""
        buckets: dict[str, dict[int, int]] = {}
        for plugin, bucket, count in await self._rows("durations"):
            buckets.setdefault(plugin, {})[bucket] = count
        found = {}
        for plugin, success, error, runs, total, last, used, cached in await self._rows("counters"):
            counts = buckets.get(plugin, {})
            mean = total // runs if runs else 0
            p50, p99 = percentile(counts, 0.5), percentile(counts, 0.99)
            found[plugin] = PluginCounters(success, error, last, mean, p50, p99, used, cached)
        return found

    async def disabled_plugins(self) -> dict[str, str]:
        """The disabled plugins and why, by name."""
        return {row[0]: row[1] for row in await self._rows("disabled_plugins")}

    async def tracebacks(self, job_id: str) -> list[tuple[int, str]]:
        """The tracebacks of a job's attempts, by attempt."""
        return [(row[0], row[1]) for row in await self._rows("tracebacks", (job_id,))]


def _of_tenant(rows: Sequence[Sequence[Any]], job_id: str, tenant: str | None) -> Sequence[Any]:
    if not rows or (tenant is not None and rows[0][1] != tenant):
        raise GovernedError(ErrorReason.JOB_NOT_FOUND, "No job has this id.", {"job_id": job_id[:64]})
    return rows[0]
