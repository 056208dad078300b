"""The calls about many jobs: lists of them, and what changes in any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward.caller import Caller
from runward.job import Bookmark, Job, Snapshot
from runward.requests import make_request
from runward.times import to_timestamp
from runward.v1 import jobs_pb2
from runward.watching import watch_jobs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping
    from datetime import datetime

    from runward.enums import JobStatus


class JobLogCalls(Caller):
    """What a client can learn of all jobs."""

    async def list(
        self,
        *,
        plugin: str = "",
        statuses: Iterable[JobStatus | str] = (),
        labels: Mapping[str, str] | None = None,
        create_time_from: datetime | None = None,
        create_time_before: datetime | None = None,
        page_size: int = 100,
        deadline: float | None = None,
    ) -> AsyncGenerator[Job, None]:
        """Yield the jobs that fit every filter given, newest first, without their results; pages are fetched as needed.

        Args:
            plugin: jobs of this plugin.
            statuses: jobs in one of these statuses.
            labels: jobs with all these labels.
            create_time_from: jobs created at this time or later; with a time zone.
            create_time_before: jobs created before this time; with a time zone.
            page_size: how many jobs one call fetches, at most 1,000.
            deadline: the longest time of each call, in seconds; by default the client's.
        """
        request = make_request(
            jobs_pb2.ListJobsRequest,
            plugin=plugin,
            page_size=page_size,
            labels=dict(labels or {}),
            statuses=[f"JOB_STATUS_{status}" for status in statuses],
        )
        if create_time_from is not None:
            request.create_time_from.CopyFrom(to_timestamp(create_time_from, "create_time_from"))
        if create_time_before is not None:
            request.create_time_before.CopyFrom(to_timestamp(create_time_before, "create_time_before"))
        while True:
            page = await self._call(self._connection.execution.ListJobs, request, "ListJobs", deadline)
            for job in page.jobs:
                yield Job.from_proto(job)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def watch_jobs(
        self,
        *,
        plugin: str = "",
        statuses: Iterable[JobStatus | str] = (),
        labels: Mapping[str, str] | None = None,
        after_revision: int = 0,
        deadline: float | None = None,
    ) -> AsyncGenerator[Job | Bookmark, None]:
        """Yield the changes of all jobs that fit, in order of revision, each once, without results. Does not end.

        A Bookmark comes when all that was there has been yielded, and now and then while nothing fits: whoever keeps
        the last revision seen, of a job or a bookmark, can go on from there, also in another process. A stream that
        breaks is opened again where it left off, until the server has been gone for RetryPolicy.resume seconds.

        Args:
            plugin: changes of this plugin's jobs.
            statuses: changes into one of these statuses.
            labels: changes of jobs with all these labels.
            after_revision: only changes after this revision, such as that of a snapshot; 0: the whole log that the
                server has kept first; -1: only what comes.
            deadline: the longest time in all, in seconds; by default no limit.

        Raises:
            ValidationError: REVISION_COMPACTED, with details["first_usable_revision"]: changes may have been missed, so
                take a snapshot and go on from it; REVISION_AHEAD.
            TransportError: the server did not answer, or did not come back.
        """
        request = make_request(
            jobs_pb2.WatchJobsRequest,
            plugin=plugin,
            statuses=[f"JOB_STATUS_{status}" for status in statuses],
            labels=dict(labels or {}),
            after_revision=after_revision,
        )
        return watch_jobs(self._connection, request, deadline)

    async def snapshot(
        self,
        *,
        plugin: str = "",
        statuses: Iterable[JobStatus | str] = (),
        labels: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Snapshot:
        """Give all jobs that fit, newest first, without their results, and the revision to watch from without a gap.

        Args:
            plugin, statuses, labels, deadline: as in list.
        """
        request = make_request(
            jobs_pb2.ListJobsRequest,
            plugin=plugin,
            page_size=1000,
            labels=dict(labels or {}),
            statuses=[f"JOB_STATUS_{status}" for status in statuses],
        )
        jobs: list[Job] = []
        revision = None
        while True:
            page = await self._call(self._connection.execution.ListJobs, request, "ListJobs", deadline)
            jobs += map(Job.from_proto, page.jobs)
            # The first page's: what changed while the others were fetched is sent again rather than missed.
            revision = page.revision if revision is None else revision
            if not page.next_page_token:
                return Snapshot(tuple(jobs), revision)
            request.page_token = page.next_page_token
