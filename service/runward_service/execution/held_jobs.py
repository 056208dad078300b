"""HeldJobs: jobs that were claimed before there was a slot for them, so that short runs need not wait for a commit."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.domain.job import Job


class HeldJobs:
    """Those of one plugin, in the order in which they are to run. The store knows which of them may have begun."""

    def __init__(self) -> None:
        """Start with none."""
        self._jobs: deque[Job] = deque()
        self.ready = 0
        """How many may begin; the next claim tells the store that the others may."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self._jobs)

    def add(self, jobs: Sequence[Job], ready: int) -> None:
        """Claimed jobs follow, the first ``ready`` of which may begin; all that were here before now may, too."""
        self.ready = len(self._jobs) + ready
        self._jobs.extend(jobs)

    def next(self) -> Job:
        """Take the first, which may begin."""
        self.ready -= 1
        return self._jobs.popleft()

    def take(self, job_id: str) -> Job | None:
        """Take a job of this id, if it is here, to end it without a run."""
        for place, job in enumerate(self._jobs):
            if job.id == job_id:
                del self._jobs[place]
                self.ready -= place < self.ready
                return job
        return None

    def take_all(self) -> list[Job]:
        """Take all, to give them back."""
        jobs = list(self._jobs)
        self._jobs.clear()
        self.ready = 0
        return jobs
