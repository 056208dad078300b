"""What the service asks of a store, whatever that is made of; tests/store/conformance holds implementations to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from runward_service.domain.job import Job
    from runward_service.domain.outcome import Outcome
    from runward_service.store.job_reader import JobPage, JobQuery, LogPage
    from runward_service.store.transitions import Creation


class JobStore(Protocol):
    """Writes of jobs for one owner process. What is answered is durable; a change of a job and its event are one."""

    def create_jobs(self, jobs: Sequence[Job]) -> Awaitable[list[Creation]]:
        """Store PENDING jobs, all or none; for those whose request id the principal has used, the id of that job."""

    def claim_jobs(
        self, plugin: str, limit: int, ready: int | None = None, *, deferred: bool = False
    ) -> Awaitable[list[Job]]:
        """Take waiting jobs for this owner: RUNNING, the attempt counted. No job is ever taken by two. Where there are
        as many, those after the first ``ready`` begin after the owner's next claim.
        """

    def give_back(self, jobs: Sequence[Job]) -> Awaitable[int]:
        """Let any owner take jobs that this one has claimed and not begun, no attempt used up; how many."""

    def next_attempt(self, job: Job, outcome: Outcome) -> Awaitable[bool]:
        """Count a lost attempt and begin the next. False where the job is no longer this owner's in that attempt."""

    def finish_job(self, job: Job, outcome: Outcome) -> Awaitable[int]:
        """End a RUNNING job; its revision, or 0 and no change where it is no longer this owner's in that attempt."""

    def end_unrun_job(self, job: Job, outcome: Outcome) -> Awaitable[int]:
        """End a job that waits, or that an owner left who is proved dead; 0 and no change where it has changed."""

    def set_progress(self, job_id: str, fraction: float, message: str) -> Awaitable[int]:
        """Store a report of a job that this owner runs; 0 where it does not."""

    def request_cancel(self, job_id: str) -> Awaitable[bool]:
        """Mark an unfinished job for whoever runs it. False where it has ended."""

    def release_drained(self) -> Awaitable[int]:
        """Give this owner's running ASYNC jobs back, no attempt used up; how many."""

    def release_lost(self, dead_owner: str) -> Awaitable[int]:
        """Make a dead owner's running ASYNC jobs that have attempts left claimable; how many. Those that have not begun
        lose none.
        """

    def add_owner(self, pid: int) -> Awaitable[object]:
        """Record this owner."""

    def remove_owner(self, owner: str) -> Awaitable[bool]:
        """Forget an owner. False where it has unfinished jobs left."""


class EventLog(Protocol):
    """Reads by cursor. Revisions are read in the order in which they were committed: once one was seen, no lower one
    appears.
    """

    async def get_job(self, job_id: str, tenant: str | None) -> Job:
        """A tenant's job (any tenant's for None), with its result. Raises GovernedError JOB_NOT_FOUND."""

    async def last_revision(self) -> int:
        """The last revision that was given out, 0 where none was."""

    async def log_floor(self) -> int:
        """The revision up to which changes may be gone."""

    async def log_tail(self, after: int, limit: int) -> LogPage:
        """The changes of all jobs after a revision, in order."""

    async def log_page(self, query: JobQuery, after: int, upto: int, limit: int) -> LogPage:
        """The changes that fit a query, after one revision and up to another."""

    async def job_log_page(self, job_id: str, after: int, limit: int) -> LogPage:
        """The changes of one job after a revision."""


class JobReader(EventLog, Protocol):
    """Reads of jobs and owners: what is committed."""

    async def list_jobs(self, query: JobQuery, limit: int, before: int = 0) -> JobPage:
        """A page of jobs, newest first, with a revision from which a watch misses nothing of it."""

    async def owners(self) -> list[str]:
        """The owners that are recorded, and those of unfinished jobs."""

    async def owned_jobs(self, owner: str) -> list[str]:
        """The ids of an owner's unfinished jobs."""

    async def cancel_requests(self, owner: str) -> list[str]:
        """Those of them that are to be cancelled."""

    async def claimable_plugins(self) -> list[str]:
        """The plugins that have jobs waiting."""

    async def data_version(self) -> int:
        """A number that changes when another has committed."""
