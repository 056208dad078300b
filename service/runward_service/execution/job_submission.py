"""JobSubmission: requests whose callers do not wait, stored as jobs that run later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runward_service.domain.errors import GovernedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from runward_service.domain.job import Job, JobRequest
    from runward_service.execution.expiry import Expiry
    from runward_service.execution.job_execution_service import JobExecutionService
    from runward_service.execution.named_images import NamedImages
    from runward_service.execution.queue_bounds import QueueBounds
    from runward_service.execution.scheduler import Scheduler


class JobSubmission:
    """Stores as many as there is room for, and tells those who see to them."""

    def __init__(
        self,
        jobs: JobExecutionService,
        scheduler: Scheduler,
        pending: QueueBounds,
        expiry: Expiry,
        images: NamedImages,
    ) -> None:
        """Create through the job service with as many stored jobs ``pending`` as those bounds allow, for the scheduler
        to run and for the expiry to watch; ``images`` finds those that requests name by digest.
        """
        self._jobs = jobs
        self._scheduler = scheduler
        self._pending = pending
        self._expiry = expiry
        self._images = images
        self.on_stored: Callable[[], None] = lambda: None
        """Hears whenever jobs were stored."""

    def submit(self, request: JobRequest) -> Awaitable[Job]:
        """Store a request; its job is on disk when it is answered. Raises GovernedError for whatever is refused."""
        request = self._images.found(request)
        self._pending.enter(request.plugin, request.image_bytes)
        # Shielded: a caller that hangs up does not call back what is on its way to disk, and that has to be run.
        return asyncio.shield(self._store(request))

    async def submit_batch(self, requests: Sequence[JobRequest]) -> list[Job | GovernedError]:
        """Store many requests; for each in order its job, or why it was refused.

        Those accepted are stored in one transaction and on disk when this returns. Raises GovernedError where none can
        be.
        """
        refusals: dict[int, GovernedError] = {}
        entered: list[JobRequest] = []
        for place, request in enumerate(requests):
            try:
                found = self._images.found(request)
                self._pending.enter(found.plugin, found.image_bytes)
                entered.append(found)
            except GovernedError as error:
                refusals[place] = error
        answers = iter(await asyncio.shield(self._store_batch(entered)))
        return [refusals.get(place) or next(answers) for place in range(len(requests))]

    async def _store(self, request: JobRequest) -> Job:
        """Store a request for which there is room."""
        existing = True
        claims: list[int] = []

        def handed_over(plugin: str) -> None:
            claims.append(self._scheduler.job_coming(plugin))

        try:
            job, existing = await self._jobs.create_job(request, on_handed_over=handed_over)
        finally:
            if existing:
                self._pending.leave(request.plugin, request.image_bytes, drained=False)
        if not existing:
            self._expiry.watch_for(job.queue_deadline_us)
            self._scheduler.job_stored(job.plugin, *claims)
            self.on_stored()
        return job

    async def _store_batch(self, requests: Sequence[JobRequest]) -> list[Job | GovernedError]:
        """Store requests for which there is room."""
        stored: dict[int, Job] = {}
        answers: list[Job | GovernedError] = []
        claims: dict[str, int] = {}

        def handed_over(plugin: str) -> None:
            claims[plugin] = self._scheduler.job_coming(plugin)

        try:
            for created in await self._jobs.create_jobs(requests, handed_over):
                if not isinstance(created, GovernedError) and not created[1]:
                    stored[len(answers)] = created[0]
                answers.append(created if isinstance(created, GovernedError) else created[0])
        finally:
            for place, request in enumerate(requests):
                if place not in stored:
                    self._pending.leave(request.plugin, request.image_bytes, drained=False)
        for job in stored.values():
            self._expiry.watch_for(job.queue_deadline_us)
        for plugin in {job.plugin for job in stored.values()}:
            self._scheduler.job_stored(plugin, claims.get(plugin))
        if stored:
            self.on_stored()
        return answers
