"""Following jobs over broken connections."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import grpc

from runward.errors import RunwardError, TransportError
from runward.job import Bookmark, Job
from runward.retry import RetryPolicy, connection_broke, wait_after, was_refused
from runward.v1 import jobs_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from google.protobuf.message import Message

    from runward.connection import Connection

_Request = TypeVar("_Request", bound="Message")
_Response = TypeVar("_Response", bound="Message")


class Resumption:
    """Decides whether a stream that broke is opened again, and when.

    A stream that never opened is tried as often as any call. One that did is come back to until the server has been
    gone for `policy.resume` seconds.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._opened = False
        self._gone_since: float | None = None
        self._attempt = 0

    def opened(self) -> None:
        """Note that the server took the stream, or sent a message on it."""
        self._opened = True
        self._gone_since = None
        self._attempt = 0

    def wait(self, error: RunwardError, now: float) -> float | None:
        """Give the seconds to wait before opening the stream again; None to give up. `now` is the loop's clock."""
        crowded = self._opened and error.retry_after is not None  # as after a restart, when all come back
        if not (crowded or was_refused(error) or connection_broke(error)):
            return None
        self._attempt += 1
        if self._gone_since is None:
            self._gone_since = now
        wait = wait_after(error, self._attempt, self._policy)
        if wait is None:
            return None
        # A server that stops names the same delay to all who watch.
        wait *= random.uniform(1.0, 1.25)  # noqa: S311 -- spreads load, guards nothing
        if self._opened:
            return wait if now + wait < self._gone_since + self._policy.resume else None
        return wait if self._attempt < self._policy.attempts else None


@dataclass(slots=True)
class Watch:
    """A stream that is opened again where it broke: after `revision`, which whoever reads it moves on."""

    connection: Connection
    name: str
    """The method's name in the proto."""
    revision: int
    deadline: float | None
    endless: bool = False
    """Whether a stream of this method never ends well by itself."""

    async def responses(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[_Request, _Response],
        request_after: Callable[[int], _Request],
    ) -> AsyncGenerator[_Response, None]:
        """Yield the messages of as many streams as it takes."""
        loop = asyncio.get_running_loop()
        end = None if self.deadline is None else loop.time() + self.deadline
        resumption = Resumption(self.connection.retry)
        while True:
            left = None if end is None else end - loop.time()
            stream = self.connection.stream(
                method, request_after(self.revision), name=self.name, deadline=left, on_open=resumption.opened
            )
            try:
                async with aclosing(stream):
                    async for response in stream:
                        resumption.opened()
                        yield response
                if not self.endless:
                    return
                raise self._ended_error()
            except RunwardError as error:
                wait = resumption.wait(error, loop.time())
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    def _ended_error(self) -> TransportError:
        code = grpc.StatusCode.UNAVAILABLE
        message = f"the server at {self.connection.target} ended {self.name} without a reason"
        return TransportError(message, target=self.connection.target, reason=code.name, code=code)


async def watch_job(
    connection: Connection, job_id: str, after_revision: int, deadline: float | None
) -> AsyncGenerator[Job, None]:
    """Yield each change of the job once, in order of revision; see JobCalls.watch."""
    watch = Watch(connection, "WatchJob", after_revision, deadline)
    responses = watch.responses(
        connection.execution.WatchJob,
        lambda revision: jobs_pb2.WatchJobRequest(job_id=job_id, after_revision=revision),
    )
    async with aclosing(responses):
        async for response in responses:
            if response.job.revision <= watch.revision:
                continue
            watch.revision = response.job.revision
            job = Job.from_proto(response.job)
            yield job
            if job.status.terminal:
                return


async def watch_jobs(
    connection: Connection, request: jobs_pb2.WatchJobsRequest, deadline: float | None
) -> AsyncGenerator[Job | Bookmark, None]:
    """Yield each change that fits the request once, in order of revision, and bookmarks; see JobCalls.watch_jobs."""

    def request_after(revision: int) -> jobs_pb2.WatchJobsRequest:
        request.after_revision = revision
        return request

    watch = Watch(connection, "WatchJobs", request.after_revision, deadline, endless=True)
    marked = False
    async with aclosing(watch.responses(connection.execution.WatchJobs, request_after)) as responses:
        async for response in responses:
            if response.WhichOneof("event") == "bookmark":
                if response.bookmark.revision > watch.revision or not marked:
                    marked = True
                    watch.revision = max(watch.revision, response.bookmark.revision)
                    yield Bookmark(response.bookmark.revision)
            elif response.job.revision > watch.revision:
                watch.revision = response.job.revision
                yield Job.from_proto(response.job)
