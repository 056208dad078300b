"""RunningJob: a job that this process is to run, and the calls that wait for its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from runward_service.domain.job import Job
    from runward_service.runtime.run_control import RunControl


@dataclass(slots=True)
class RunningJob:
    """A job that this process is to run: waiting for its slot, or running."""

    control: RunControl
    task: asyncio.Future[Job] = field(init=False)
    callers: list[asyncio.Future[None]] = field(default_factory=list)
    """The calls of Analyze that wait for its end: those with the same request id share one job."""

    async def end(self) -> Job:
        """Wait for the job's end; the waiting task may be cancelled without harm to the job."""
        if not self.task.done():
            caller: asyncio.Future[None] = self.task.get_loop().create_future()
            self.callers.append(caller)
            try:
                await caller
            finally:
                self.callers.remove(caller)
        return self.task.result()
