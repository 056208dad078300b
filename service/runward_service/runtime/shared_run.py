"""A run under way whose answer equal jobs wait for, rather than each making the same run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runward_service.runtime.run_errors import time_out

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.domain.run_reply import RunReply
    from runward_service.runtime.run_control import RunControl


class SharedRun:
    """One job leads: it makes the run. The others follow, each until its own timeout or cancel; where the leader ends
    without an answer, the one that has followed longest leads.
    """

    def __init__(self, leader: str) -> None:
        """Begin with the id of the job that leads."""
        self.leader = leader
        self.reply: RunReply | None = None
        """What the leader answered, until its job's end is stored."""
        self._followers: dict[asyncio.Future[RunReply | None], str] = {}

    async def follow(self, job: Job, control: RunControl) -> RunReply | None:
        """Wait for the leader's answer; None where the job leads now.

        Raises GovernedError: TIMEOUT after the job's own time, or what ``control`` is stopped with.
        """
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[RunReply | None] = loop.create_future()
        self._followers[waiting] = job.id
        control.bind(waiting)
        timer = loop.call_later(job.timeout_us / 1e6, time_out, job, control)
        try:
            return await waiting
        finally:
            timer.cancel()
            self._followers.pop(waiting, None)

    def answer(self, reply: RunReply) -> None:
        """The leader has the answer: it is that of all who follow, and of those who come before it is stored."""
        self.reply = reply
        for waiting in self._followers:
            if not waiting.done():
                waiting.set_result(reply)

    def hand_on(self) -> bool:
        """The leader ends without an answer: one that follows leads. False where none does."""
        while self._followers:
            waiting = next(iter(self._followers))
            job_id = self._followers.pop(waiting)
            if not waiting.done():
                self.leader = job_id
                waiting.set_result(None)
                return True
        return False
