"""AnalysisExecutionService: what callers can ask for, at once (analyze) or for later (submit)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from runward_service.domain.errors import GovernedError
from runward_service.domain.job import JobMode
from runward_service.execution.begun_task import begin
from runward_service.execution.scheduler import cancelled_error
from runward_service.execution.slot import Place
from runward_service.execution.turn import Turn
from runward_service.runtime.run_control import RunControl
from runward_service.store.images import INLINE_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence

    from runward_service.domain.job import Job, JobRequest, Principal
    from runward_service.domain.verification import Verification
    from runward_service.execution.finished_jobs import FinishedJobs
    from runward_service.execution.job_execution_service import JobExecutionService
    from runward_service.execution.job_submission import JobSubmission
    from runward_service.execution.named_images import NamedImages
    from runward_service.execution.running_job import RunningJob
    from runward_service.execution.running_jobs import RunningJobs
    from runward_service.execution.scheduler import Scheduler
    from runward_service.execution.slot import Slot
    from runward_service.execution.verifier import Verifier
    from runward_service.store.job_reader import JobPage, JobQuery
    from runward_service.store.store_health import StoreHealth
    from runward_service.watch.log_watcher import LogWatcher
    from runward_service.watch.update import Bookmark, Update
    from runward_service.watch.watcher import Watcher


class Begun(NamedTuple):
    """A job that was begun for a caller, and its run in this process; None where it has ended, or another runs it."""

    job: Job
    running: RunningJob | None


class AnalysisExecutionService:
    """Orchestrates jobs for callers that wait and for callers that do not, along one path."""

    def __init__(  # noqa: PLR0917 - built once, in bootstrap
        self,
        jobs: JobExecutionService,
        scheduler: Scheduler,
        running: RunningJobs,
        submission: JobSubmission,
        watcher: Watcher,
        log_watcher: LogWatcher,
        finished: FinishedJobs,
        verifier: Verifier,
        admit: Callable[[], None],
        store_health: StoreHealth,
        images: NamedImages,
    ) -> None:
        """Create and run through the job service, among the ``running`` jobs and in the order that the scheduler gives.
        ``admit`` raises GovernedError where this server may take no work; ``store_health`` knows whether the store
        takes any; ``images`` finds those that requests name by digest.
        """
        self._finished = finished
        self._verifier = verifier
        self._jobs = jobs
        self._scheduler = scheduler
        self._running = running
        self._submission = submission
        self._watcher = watcher
        self._log_watcher = log_watcher
        self._admit = admit
        self._store_health = store_health
        self._images = images
        self.on_cancel_requested: Callable[[], None] = lambda: None
        """Hears whenever a job was marked to be cancelled."""

    async def analyze(self, request: JobRequest, on_begun: Callable[[], None] = lambda: None) -> Job:
        """Run a request to its end; the job, SUCCESS or FAILED, is on disk when this returns.

        ``on_begun`` is called when the request is held no more: the job has what it needs of it. The end of the calling
        task (a caller that hangs up) cancels the job, unless another call with the same request id waits for it. Raises
        GovernedError for whatever is refused.
        """
        self._admit()
        if self._store_health.failing:
            await self._store_health.probe()  # else the plugin would run, and its end could not be stored
        request = self._images.recalled(request)
        beginning, principal = self._begin(request), request.principal
        # A large image's job is written before it runs; all others are begun before anything could be hung up on.
        job, running = await (self._uninterrupted(beginning) if request.image_bytes > INLINE_BYTES else beginning)
        del request, beginning
        on_begun()
        if running is None:
            return await self._end_of(job, principal)
        try:
            ended = await running.end()
        except asyncio.CancelledError:
            if job.mode is JobMode.SYNC and not running.callers:
                running.control.stop(hung_up_error())
            raise
        return ended if ended.status.terminal else await self._end_of(ended, principal)

    async def submit(self, request: JobRequest) -> Job:
        """Store a request as a job that runs later; it is on disk when this returns. Raises GovernedError for whatever
        is refused.
        """
        self._admit()
        self._scheduler.check_open()
        return await self._submission.submit(request)

    async def submit_batch(self, requests: Sequence[JobRequest]) -> list[Job | GovernedError]:
        """Store many requests as jobs that run later; see JobSubmission.submit_batch."""
        self._admit()
        self._scheduler.check_open()
        return await self._submission.submit_batch(requests)

    async def _uninterrupted(self, beginning: Coroutine[Any, Any, Begun]) -> Begun:
        """Begin a job that is written before it runs. A caller that hangs up meanwhile cancels it once it is there."""
        task = begin(beginning)
        if task.done():
            return task.result()
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._stop_begun)
            raise

    def _stop_begun(self, task: asyncio.Future[Begun]) -> None:
        if task.cancelled() or task.exception() is not None:
            return
        job, running = task.result()
        if running is not None and job.mode is JobMode.SYNC and not running.callers:
            running.control.stop(hung_up_error())

    async def _begin(self, request: JobRequest) -> Begun:
        """Create a job for a caller that waits and let it run; or the job that its request id made before."""
        principal = request.principal
        place = Place(request.plugin, (principal.tenant, principal.name), request.image_bytes)
        self._scheduler.enter(place)
        begun = False
        control = RunControl()
        try:
            job, existing = await self._jobs.create_job(request, control)
            if existing:
                return Begun(job, self._running.jobs.get(job.id))
            running = self._running.run(job, lambda control: self._run_when_due(job, control, place), control)
            begun = True
            return Begun(job, running)
        finally:
            if not begun:
                self._scheduler.leave(place)

    async def run_claimed(self, job: Job, control: RunControl, slot: Slot | None) -> Job:
        """Run a job that the scheduler claimed from the store; without a slot where it is to end without a run."""
        control.turn = turn = Turn(self._scheduler, job, control, slot)
        try:
            return await self._jobs.run_job(job, control, turn.free)
        finally:
            turn.end()

    async def cancel(self, job_id: str, principal: Principal) -> Job:
        """Cancel a job and wait for its end; one that has ended is returned as it is. Raises GovernedError
        JOB_NOT_FOUND.
        """
        job = await self._jobs.get_job(job_id, principal.tenant)
        if job.status.terminal:
            return job
        await self._jobs.request_cancel(job_id)
        self.on_cancel_requested()
        while True:
            if running := self._scheduler.stop(job_id, cancelled_error()):
                await asyncio.wait([running.task])
            elif not job.owner:
                await self._jobs.end_unrun_job(job, cancelled_error())
            else:
                # Just claimed here, or owned by another process: whoever runs it finds the mark that was set above.
                await self._end_of(job, principal)
            job = await self._jobs.get_job(job_id, principal.tenant)
            if job.status.terminal:
                return job

    async def retry(self, job_id: str, principal: Principal, request_id: str) -> Job:
        """Submit a failed job's stored input as a new job. Raises GovernedError JOB_NOT_FOUND, JOB_STATUS_CONFLICT,
        BLOB_NOT_FOUND, or as submit.
        """
        self._admit()
        self._scheduler.check_open()
        return await self.submit(await self._finished.request_again(job_id, principal, request_id))

    async def delete(self, job_id: str, principal: Principal) -> None:
        """Erase a finished job; see FinishedJobs.delete."""
        # Shielded: what is deleted is to be erased too, also when the caller has hung up.
        await asyncio.shield(self._finished.delete(job_id, principal))

    async def verify(self, job_id: str, principal: Principal) -> Verification:
        """Run a finished job again and compare; see Verifier.verify."""
        self._admit()
        return await self._verifier.verify(job_id, principal)

    async def get_job(self, job_id: str, principal: Principal) -> Job:
        """One job of the caller's tenant. Raises GovernedError JOB_NOT_FOUND."""
        return await self._jobs.get_job(job_id, principal.tenant)

    async def list_jobs(self, query: JobQuery, limit: int, before: int) -> JobPage:
        """A page of jobs, newest first."""
        return await self._jobs.list_jobs(query, limit, before)

    def watch_job(self, job_id: str, principal: Principal, after_revision: int) -> AsyncGenerator[Update, None]:
        """A job as at each revision after one, to its end; see Watcher.watch_job."""
        return self._watcher.watch_job(job_id, principal.tenant, after_revision)

    def watch_jobs(self, query: JobQuery, after_revision: int) -> AsyncGenerator[Update | Bookmark, None]:
        """The changes of many jobs after a revision; see LogWatcher.watch_jobs."""
        return self._log_watcher.watch_jobs(query, after_revision)

    def report_progress(self, job_id: str, fraction: float, message: str) -> None:
        """A worker tells how far a job is."""
        if job_id in self._running.jobs:
            self._jobs.report_progress(job_id, fraction, message)

    async def _run_when_due(self, job: Job, control: RunControl, place: Place) -> Job:
        try:
            return await self._run_in_turn(job, control, place)
        finally:
            self._jobs.release_request_id(job)

    async def _run_in_turn(self, job: Job, control: RunControl, place: Place) -> Job:
        control.turn = turn = Turn(self._scheduler, job, control)
        entered = control.recalled is not None or self._jobs.answerable(job, control)
        if not entered:
            try:
                turn.give(await self._scheduler.slot(place, control))
            except GovernedError as error:
                turn.end()
                return await self._jobs.end_unrun_job(job, error)
        try:
            return await self._jobs.run_job(self._jobs.start_job(job), control, turn.free)
        finally:
            turn.end()
            if entered:
                self._scheduler.leave(place)

    async def _end_of(self, job: Job, principal: Principal) -> Job:
        last = job
        if not last.status.terminal:
            async for update in self.watch_job(job.id, principal, 0):
                last = update.job
        return last


def hung_up_error() -> GovernedError:
    """The end of a job whose caller is gone."""
    return cancelled_error("The job was cancelled: its caller hung up.")
