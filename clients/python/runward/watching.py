"""Following one job over broken connections."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from runward.errors import RunwardError
from runward.job import Job
from runward.retry import RetryPolicy, connection_broke, wait_after, was_refused
from runward.v1 import jobs_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from runward.connection import Connection


class Resumption:
    """Decides whether a stream that broke is opened again, and when.

    A stream that never said anything is tried as often as any call. One that did is come back to until nothing has been
    heard for `policy.resume` seconds.
    """

    def __init__(self, policy: RetryPolicy, now: float) -> None:
        self._policy = policy
        self._heard = False
        self._last_heard = now
        self._attempt = 0

    def hear(self, now: float) -> None:
        """Note that a message came at this time (the event loop's clock, in seconds)."""
        self._heard = True
        self._last_heard = now
        self._attempt = 0

    def wait(self, error: RunwardError, now: float) -> float | None:
        """Give the seconds to wait before opening the stream again; None to give up."""
        if not (was_refused(error) or connection_broke(error)):
            return None
        self._attempt += 1
        wait = wait_after(error, self._attempt, self._policy)
        if wait is None:
            return None
        if self._heard:
            return wait if now + wait < self._last_heard + self._policy.resume else None
        return wait if self._attempt < self._policy.attempts else None


async def watch_job(
    connection: Connection, job_id: str, after_revision: int, deadline: float | None
) -> AsyncGenerator[Job, None]:
    """Yield each change of the job once, in order of revision; see JobCalls.watch."""
    loop = asyncio.get_running_loop()
    end = None if deadline is None else loop.time() + deadline
    resumption = Resumption(connection.retry, loop.time())
    revision = after_revision
    while True:
        request = jobs_pb2.WatchJobRequest(job_id=job_id, after_revision=revision)
        left = None if end is None else end - loop.time()
        stream = connection.stream(connection.execution.WatchJob, request, name="WatchJob", deadline=left)
        try:
            async with aclosing(stream):
                async for response in stream:
                    resumption.hear(loop.time())
                    if response.job.revision <= revision:
                        continue
                    revision = response.job.revision
                    job = Job.from_proto(response.job)
                    yield job
                    if job.status.terminal:
                        return
            return
        except RunwardError as error:
            wait = resumption.wait(error, loop.time())
            if wait is None:
                raise
        await asyncio.sleep(wait)
