"""Sampler: verifies some of the jobs that end, by itself and in the background, so that a plugin which does not keep
its word is found before its outputs have stood for many runs.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.runtime.run_control import RunControl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runward_service.domain.job import Job
    from runward_service.execution.plugin_execution_service import PluginExecutionService
    from runward_service.execution.slots import Slots
    from runward_service.execution.verifier import Verifier

MOST_WAITING = 1000
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 60.0
"""Where a plugin is never idle, one verification is made in so long a time all the same."""

logger = logging.getLogger(__name__)


class Sampler:
    """One verification at a time, in a worker of its own beside those of callers' runs: it takes no slot, so nobody
    waits for it. It begins while its plugin is idle.
    """

    def __init__(self, rate: float, plugins: PluginExecutionService, slots: Slots, verifier: Verifier) -> None:
        """Verify a fraction, from 0 to 1, of the jobs that end SUCCESS, of plugins that say that they are
        deterministic.
        """
        self._rate = rate
        self._plugins = plugins
        self._slots = slots
        self._verifier = verifier
        self._waiting: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """The plugin of each job that waits, and since when."""
        self._more = asyncio.Event()
        self._control: RunControl | None = None
        self._stopping = False
        self._dropping = False
        self._last_forced = 0.0
        self._task: asyncio.Future[None] | None = None

    def start(self, supervise: Callable[[Awaitable[None], str], asyncio.Future[None]]) -> None:
        """Begin to verify, where there is anything to be."""
        if self._rate > 0:
            self._last_forced = time.monotonic()
            self._task = supervise(self._run(), "the verification of samples")

    async def stop(self) -> None:
        """Verify no more; what is being verified is given up."""
        self._stopping = True
        self._more.set()
        if self._control is not None:
            self._control.stop(GovernedError(ErrorReason.INTERRUPTED, "The server stops."))
        if self._task is not None:
            await asyncio.wait([self._task])

    def ended(self, job: Job) -> None:
        """A job has ended SUCCESS, and that is stored."""
        if self._task is None or self._stopping or random.random() >= self._rate:  # noqa: S311 - a sample is no secret
            return
        description = self._plugins.description(job.plugin)
        if description is None or not description.deterministic:
            return
        self._waiting[job.id] = (job.plugin, time.monotonic())
        self._more.set()
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)
            if not self._dropping:
                logger.warning("more jobs are sampled than can be verified; the oldest are not")
            self._dropping = True

    async def _run(self) -> None:
        while not self._stopping:
            job_id = self._next()
            if job_id:
                del self._waiting[job_id]
                await self._verify(job_id)
            elif self._waiting:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                self._dropping = False
                self._more.clear()
                await self._more.wait()

    def _next(self) -> str:
        """The job to be verified now: the first whose plugin is idle, or has not been for too long; empty for none."""
        idle: dict[str, bool] = {}
        for job_id, (plugin, _) in self._waiting.items():
            if plugin not in idle:
                idle[plugin] = self._slots.idle(plugin)
            if idle[plugin]:
                return job_id
        now = time.monotonic()
        for job_id, (_, since) in self._waiting.items():
            if now - max(since, self._last_forced) < PATIENCE_SECONDS:
                return ""
            self._last_forced = now
            return job_id
        return ""

    async def _verify(self, job_id: str) -> None:
        job = await self._verifier.job(job_id)
        if job is None:  # deleted meanwhile
            return
        control = self._control = RunControl(fresh=True)
        verification = await self._verifier.sample(job, control)
        self._control = None
        if control.error is not None:
            return
        try:
            await self._verifier.record(job, verification)
        except GovernedError as error:
            logger.warning("the verification of job %s cannot be stored: %s", job_id, error)
