"""RunningJobs: the jobs that this process is to run, each in a task of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobMode
from runward_service.execution.begun_task import begin
from runward_service.execution.running_job import RunningJob
from runward_service.runtime.run_control import RunControl

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from runward_service.domain.job import Job

COMPANY = 8
"""With so many stored jobs running here, one's end waits a moment for others to share its commit; with so many waiting,
jobs are claimed with their creation, which a lone caller would have to wait for.
"""

logger = logging.getLogger(__name__)


class RunningJobs:
    """Those of callers that wait and those that were claimed from the store, to their stored ends."""

    def __init__(self) -> None:
        """Start with none."""
        self.jobs: dict[str, RunningJob] = {}
        """By id."""
        self._claimed = 0

    def run(
        self, job: Job, work: Callable[[RunControl], Coroutine[Any, Any, Job]], control: RunControl | None = None
    ) -> RunningJob:
        """Run a job's work in a task of its own, so that the end of the call that began it does not end the job. One
        whose output is there already has mostly ended when this returns.
        """
        control = control or RunControl()
        self.jobs[job.id] = running = RunningJob(control)
        begun = control.recalled is not None
        running.task = begin(work(control)) if begun else asyncio.get_running_loop().create_task(work(control))
        if running.task.done():
            self._ended(job.id, running.task)
        else:
            running.task.add_done_callback(lambda task: self._ended(job.id, task))
        return running

    def run_claimed(self, job: Job, work: Callable[[RunControl], Coroutine[Any, Any, Job]]) -> None:
        """Run a job that was claimed from the store."""
        self._claimed += 1
        self.run(job, work).task.add_done_callback(self._claimed_ended)

    def _claimed_ended(self, _task: object) -> None:
        self._claimed -= 1

    def _ended(self, job_id: str, task: asyncio.Future[Job]) -> None:
        running = self.jobs.pop(job_id)
        for caller in running.callers:
            if not caller.done():
                caller.set_result(None)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, GovernedError):
            logger.error("job %s could not be brought to its end", job_id, exc_info=error)

    @property
    def calls(self) -> int:
        """How many jobs are under way here for callers that wait; not those that were claimed from the store."""
        return len(self.jobs) - self._claimed

    def others_follow(self, job: Job) -> bool:
        """Whether so many stored jobs run here that another's end will soon be written beside this one's."""
        return job.mode is JobMode.ASYNC and self._claimed >= COMPANY

    def stop(self, job_id: str, error: GovernedError) -> RunningJob | None:
        """Stop a job that runs here; None where there is none."""
        running = self.jobs.get(job_id)
        if running is not None:
            running.control.stop(error)
        return running

    async def interrupt(self) -> None:
        """End what still runs with INTERRUPTED, and wait for that to be stored."""
        tasks = []
        for running in list(self.jobs.values()):
            running.control.stop(GovernedError(ErrorReason.INTERRUPTED, "The server stopped during the run."))
            tasks.append(running.task)
        if tasks:
            await asyncio.wait(tasks)
