"""JobExecutionService: the life of a job and its storage, from create_job to the stored finish."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import Job, JobMode, JobStatus
from runward_service.execution.job_ends import unstored_end
from runward_service.execution.job_intake import or_refusal
from runward_service.execution.terms import payload_of
from runward_service.store.job_artifacts import ArtifactGone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from runward_service.domain.job import JobRequest
    from runward_service.domain.outcome import Outcome
    from runward_service.execution.attempts import Attempts
    from runward_service.execution.job_ends import JobEnds
    from runward_service.execution.job_intake import JobIntake
    from runward_service.execution.plugin_execution_service import PluginExecutionService
    from runward_service.execution.whole_images import WholeImages
    from runward_service.runtime.run_control import RunControl
    from runward_service.store.job_reader import JobPage, JobQuery, SqliteJobReader
    from runward_service.store.job_store import SqliteJobStore
    from runward_service.store.request_ids import RequestIds
    from runward_service.store.transitions import Creation

logger = logging.getLogger(__name__)


class JobExecutionService:
    """Creates jobs, runs them, stores what they come to."""

    def __init__(  # noqa: PLR0917 - built once, in bootstrap
        self,
        plugins: PluginExecutionService,
        store: SqliteJobStore,
        reader: SqliteJobReader,
        intake: JobIntake,
        whole_images: WholeImages,
        request_ids: RequestIds,
        attempts: Attempts,
        ends: JobEnds,
        owner: str,
    ) -> None:
        """Run through the plugin service; write and read the given stores as one owner process."""
        self._plugins = plugins
        self._store = store
        self._reader = reader
        self._intake = intake
        self._whole_images = whole_images
        self._request_ids = request_ids
        self._attempts = attempts
        self._ends = ends
        self._owner = owner
        self.on_left_queue: Callable[[Job], None] = lambda job: None
        """Hears of every stored job that ended while it waited."""
        self.on_success: Callable[[Job], None] = lambda job: None
        """Hears of every job of this process that ended SUCCESS."""

    async def create_job(
        self,
        request: JobRequest,
        control: RunControl | None = None,
        on_handed_over: Callable[[str], None] = lambda plugin: None,
    ) -> tuple[Job, bool]:
        """Validate a request and make it a PENDING job; (job, True) where its request id made that job before.
        ``control`` is what a SYNC job will run with; ``on_handed_over`` hears of the plugin when the job is on its way
        to the disk.

        An ASYNC job is on disk when this returns; a SYNC one, whose caller waits for the end, is written with its start
        and finish.
        Raises GovernedError for whatever is refused; then nothing is stored.
        """
        job = await self._intake.new_job(request)
        if job.request_id and (existing_id := self._request_ids.hold(job)):
            await self._store.flush()  # that job may not be on disk yet
            return await self._existing(job, existing_id), True
        # A large image's file may have been removed meanwhile, which is told to who waits for the write: a run would be
        # in vain. Where there will be none, the job is written once.
        if job.mode is JobMode.SYNC and (job.image.path is None or self._answer_kept(job, control)):
            self._store.defer_creation(job)
            return job, False
        try:
            job = self._intake.confirm(job)
            creation = self._store.create_job(job)
            on_handed_over(job.plugin)
            return await self._created(job, await creation)
        finally:
            self.release_request_id(job)

    def _answer_kept(self, job: Job, control: RunControl | None) -> bool:
        return control is not None and self._plugins.answerable(job, control) and control.recalled is not None

    def release_request_id(self, job: Job) -> None:
        """The job has ended: its request id is found in the store from now on."""
        if job.request_id:
            self._request_ids.release(job)

    async def create_jobs(
        self, requests: Sequence[JobRequest], on_handed_over: Callable[[str], None] = lambda plugin: None
    ) -> list[tuple[Job, bool] | GovernedError]:
        """Make many ASYNC requests PENDING jobs; for each in order what create_job gives, or why it is refused.
        ``on_handed_over`` hears of each plugin once.

        Those accepted are stored in one transaction. Raises GovernedError where the store takes none of them.
        """
        jobs = await self._intake.new_jobs(requests)
        new = [job for job in jobs if isinstance(job, Job)]
        try:
            for job in new:
                if job.request_id:
                    self._request_ids.hold(job)  # those that others hold are found in the transaction
            creations: Iterator[Creation] = iter(())
            if new:
                creation = self._store.create_jobs(new)
                for plugin in {job.plugin for job in new}:
                    on_handed_over(plugin)
                creations = iter(await creation)
        finally:
            for job in new:
                self.release_request_id(job)
        return [
            job if isinstance(job, GovernedError) else await or_refusal(self._created(job, next(creations)))
            for job in jobs
        ]

    async def _created(self, job: Job, created: Creation) -> tuple[Job, bool]:
        """What create_job gives for what the store made of a job. Raises GovernedError REQUEST_ID_REUSED."""
        if created.existing_id:
            return await self._existing(job, created.existing_id), True
        return job._replace(revision=created.revision), False

    def start_job(self, job: Job) -> Job:
        """PENDING to RUNNING, of a SYNC job whose turn has come."""
        now = now_us()
        self._store.defer_start(job.id, now)
        return job._replace(status=JobStatus.RUNNING, attempt=1, start_time_us=now)

    def answerable(self, job: Job, control: RunControl) -> bool:
        """Whether a job that is to wait for a slot needs none, for an equal one's output will stand for its own."""
        return self._plugins.answerable(job, control)

    def claim_jobs(
        self, plugin: str, limit: int, ready: int | None = None, *, coming: bool = False
    ) -> Awaitable[list[Job]]:
        """Claim waiting ASYNC jobs of a plugin: RUNNING, for this process; see SqliteJobStore.claim_jobs."""
        return self._store.claim_jobs(plugin, limit, ready, deferred=coming)

    async def give_back(self, jobs: Sequence[Job]) -> None:
        """Let others claim jobs that this process has claimed and not begun."""
        await self._store.give_back(jobs)

    async def run_job(self, job: Job, control: RunControl, on_ran: Callable[[], None]) -> Job:
        """Run a RUNNING job to its end and store that; an attempt that was lost to the infrastructure, or that the
        plugin's retry policy names, is followed by another while any is left.

        ``on_ran`` is called when the last attempt is over and its end not stored yet. Raises GovernedError
        JOB_STATUS_CONFLICT for a job that is not RUNNING for this process: a job is never run again.
        """
        if job.status is not JobStatus.RUNNING or job.owner != self._owner:
            message = f"The job is {job.status.name} and cannot be run."
            raise GovernedError(ErrorReason.JOB_STATUS_CONFLICT, message, {"status": job.status.name, "job_id": job.id})
        while True:
            outcome = await self._plugins.execute(job, control)
            following = await self._attempts.following(job, outcome, control) if outcome.repeatable else None
            if following is None:
                outcome = self._attempts.without_following(job, outcome, control)
                break
            job = following
        on_ran()
        outcome = await self._whole_images.outcome(job, outcome)
        try:
            revision = await self._ends.store(job, outcome)
        except ArtifactGone:  # the job whose output this was has been deleted: an equal one's now, or a run of its own
            return await self.run_job(job, control, on_ran)
        except GovernedError as error:
            self._ends.store_later(job, outcome)
            raise unstored_end(job) from error
        except Exception as error:  # the store cannot hold this end: the job gets another rather than none
            logger.exception("job %s: its end cannot be stored as it is", job.id)
            instead = self._plugins.end_without_run(job, unstored_end(job))
            self._ends.store_later(job, instead)
            raise unstored_end(job) from error
        finally:
            self._plugins.stored(job, control)
        ended = await self._ended(job, outcome, revision)
        if revision and ended.status is JobStatus.SUCCESS:
            self.on_success(ended)
        return ended

    async def end_unrun_job(self, job: Job, error: GovernedError) -> Job:
        """End a job FAILED that is not running here: cancelled while PENDING, expired, or left by a dead owner.

        Where the job has changed since it was read, nothing is written; the job as it is now is returned.
        """
        outcome = self._plugins.end_without_run(job, error)
        revision = await self._store.end_unrun_job(job, outcome)
        if revision and job.mode is JobMode.ASYNC and not job.owner:
            self.on_left_queue(job)
        return await self._ended(job, outcome, revision)

    async def request_cancel(self, job_id: str) -> None:
        """Mark a job as to be cancelled, wherever it runs."""
        await self._store.request_cancel(job_id)

    def report_progress(self, job_id: str, fraction: float, message: str) -> None:
        """Store how far a running job is."""
        if 0.0 <= fraction <= 1.0:
            ignore_result(self._store.set_progress(job_id, fraction, message))

    async def get_job(self, job_id: str, tenant: str | None) -> Job:
        """One job, with its result. Raises GovernedError JOB_NOT_FOUND."""
        return await self._reader.get_job(job_id, tenant)

    async def list_jobs(self, query: JobQuery, limit: int, before: int) -> JobPage:
        """A page of jobs, newest first."""
        return await self._reader.list_jobs(query, limit, before)

    async def release_drained(self) -> None:
        """Give running ASYNC jobs back, for another process or the next start to claim."""
        await self._store.release_drained()

    async def _ended(self, job: Job, outcome: Outcome, revision: int) -> Job:
        if revision == 0:
            earlier = await self._store.find_request(job) if job.request_id else ""
            if earlier and earlier != job.id:  # another process made a job for that id in the same moment
                return await self._existing(job, earlier)
            return await self._stored(job, ran=job.attempt > 1 or not outcome.cached)
        return job._replace(
            status=outcome.status,
            start_time_us=job.start_time_us or outcome.end_time_us,
            end_time_us=outcome.end_time_us,
            revision=revision,
            result=outcome.result,
            output_digest=outcome.output_digest,
            error=outcome.envelope,
            artifacts=outcome.artifacts,
            cached=outcome.cached,
            code_digest=outcome.code_digest,
        )

    async def _stored(self, job: Job, *, ran: bool) -> Job:
        """The job as the store has it. Raises GovernedError where it has none: JOB_NOT_FOUND, but for a caller's own
        job that could not be created, STORE_UNAVAILABLE before its run and INTERNAL after it.
        """
        try:
            return await self._reader.get_job(job.id, None)
        except GovernedError as error:
            if job.owner != self._owner or error.reason is not ErrorReason.JOB_NOT_FOUND:
                raise
            if ran and job.status is JobStatus.RUNNING:
                raise unstored_end(job) from error
            message = "The job could not be stored, and did not run. Try again."
            raise GovernedError(ErrorReason.STORE_UNAVAILABLE, message, plugin=job.plugin) from error

    async def _existing(self, job: Job, existing_id: str) -> Job:
        """The job that a request id made before. Raises GovernedError REQUEST_ID_REUSED when it has another payload."""
        existing = await self._reader.get_job(existing_id, job.tenant)
        if payload_of(existing) != payload_of(job):
            message = "The request_id was used before with another payload. Use a new one."
            raise GovernedError(ErrorReason.REQUEST_ID_REUSED, message, {"job_id": existing_id}, plugin=job.plugin)
        return existing


def ignore_result(write: Awaitable[object]) -> None:
    """Let a deferred write go: its failure also fails the job's finish, which is awaited."""
    if isinstance(write, asyncio.Future):
        write.add_done_callback(lambda future: future.cancelled() or future.exception())
