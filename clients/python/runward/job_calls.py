"""The calls that make jobs and follow them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from runward.batches import batches
from runward.errors import RunwardError, TransportError, error_from_job
from runward.image_sending import ImageSending
from runward.job import Job
from runward.requests import RunTerms, make_request, make_run_request, new_request_id
from runward.times import to_duration
from runward.v1 import jobs_pb2
from runward.watching import watch_job

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
    from datetime import timedelta

    import grpc.aio

    from runward.batches import Batch
    from runward.image import Image


class JobCalls(ImageSending):
    """What a client can do with jobs."""

    async def analyze(
        self,
        plugin: str,
        image: Image,
        *,
        mime_type: str | None = None,
        options: Mapping[str, object] | None = None,
        timeout: float | timedelta | None = None,  # noqa: ASYNC109 -- the run's, held by the server
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        retention: float | timedelta | None = None,
        skip_cache: bool = False,
        deadline: float | None = None,
    ) -> Job:
        """Run a plugin on an image and give the job when it has ended SUCCESS.

        Cancelling this coroutine, or its deadline passing, cancels the job on the server. Where the server said that it
        accepted nothing, or the connection breaks, the same request is sent again by itself, with the same request_id:
        the plugin does not run twice for it, unless the server is killed within 10 ms of the run's start. A job that
        the broken connection cancelled, or that a restart of the server interrupted, is told by ExecutionError
        (CANCELLED, INTERRUPTED) with its job_id.

        An image of 4 MiB or more is uploaded first, unless the server has it; one that this client has sent before is
        named by its digest. What the server lacks after all is sent again.

        Args:
            plugin: the plugin's name.
            image: a path, the file's bytes, or a file open for reading in binary mode; at most 64 MiB.
            mime_type: such as "image/png"; by default told by the image's first bytes, else by its file name.
            options: what the plugin's options_schema describes.
            timeout: the longest time of the run, in seconds; by default the plugin's own.
            labels: at most 32, to find the job again.
            request_id: unique per caller; the same request again gives the same job rather than a new one. By default a
                new one for each call.
            retention: how long the job is kept after its end, in seconds; by default as long as the server keeps jobs.
            skip_cache: have a run of its own, also where the output of an equal job could stand for it.
            deadline: the longest time of this call in seconds, waiting for a worker included; by default no limit.

        Raises:
            ValidationError: the request broke a rule, the plugin found the image unusable, or returned no valid output.
            PluginError: the plugin raised, is not known, or is UNAVAILABLE.
            ExecutionError: the run was ended (time, memory, cancel, worker lost), or the service could not take it.
            TransportError: the server did not answer.
            OSError: the image cannot be read.
        """
        terms = RunTerms(mime_type, options, timeout, labels, request_id, retention, skip_cache)
        request = await make_run_request(jobs_pb2.AnalyzeRequest, plugin, image, terms)
        response = await self._send_run(self._connection.execution.Analyze, request, "Analyze", deadline)
        job = Job.from_proto(response.job)
        if job.error is not None:
            raise error_from_job(job)
        return job

    async def submit(
        self,
        plugin: str,
        image: Image,
        *,
        mime_type: str | None = None,
        options: Mapping[str, object] | None = None,
        timeout: float | timedelta | None = None,  # noqa: ASYNC109 -- the run's, held by the server
        queue_timeout: float | timedelta | None = None,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        retention: float | timedelta | None = None,
        skip_cache: bool = False,
        deadline: float | None = None,
    ) -> Job:
        """Store a job and give it at once, PENDING. Once given, it survives a crash of the server.

        Where the connection breaks, the same request is sent again by itself, with the same request_id, for which the
        server gives the same job.

        Args:
            plugin, image, mime_type, options, labels, request_id, retention, skip_cache: as in analyze.
            timeout: the longest time of one attempt, in seconds; by default the plugin's own.
            queue_timeout: the longest wait for a worker, in seconds; by default no limit.
            priority: higher runs earlier, among this caller's jobs of one plugin; from -1000 to 1000.
            deadline: the longest time of this call, in seconds; by default no limit.

        Raises:
            ValidationError: the request broke a rule.
            PluginError: the plugin is not known, or is UNAVAILABLE.
            ExecutionError: the service could not take it, such as QUEUE_FULL; see retry_after.
            TransportError: the server did not answer.
            OSError: the image cannot be read.
        """
        terms = RunTerms(mime_type, options, timeout, labels, request_id, retention, skip_cache)
        wait = None if queue_timeout is None else to_duration(queue_timeout, "queue_timeout")
        return await self._submit(plugin, image, terms, deadline, priority=priority, queue_timeout=wait)

    async def _submit(self, plugin: str, image: Image, terms: RunTerms, deadline: float | None, **fields: Any) -> Job:
        request = await make_run_request(jobs_pb2.SubmitJobRequest, plugin, image, terms, **fields)
        response = await self._send_run(self._connection.execution.SubmitJob, request, "SubmitJob", deadline)
        return Job.from_proto(response.job)

    async def submit_many(
        self,
        plugin: str,
        images: Iterable[Image],
        *,
        mime_type: str | None = None,
        options: Mapping[str, object] | None = None,
        timeout: float | timedelta | None = None,  # noqa: ASYNC109 -- the run's, held by the server
        queue_timeout: float | timedelta | None = None,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        retention: float | timedelta | None = None,
        skip_cache: bool = False,
        deadline: float | None = None,
    ) -> list[Job | RunwardError]:
        """Store a job for each image, many with one call, and give in order each job, or the error that it met.

        None stops the others: an image that cannot be read, or that the server refuses, has its error in its place.
        Every job given survives a crash of the server. Where the connection breaks, a call is made again by itself;
        each image has a request_id of its own, so that no job is stored twice.

        Args:
            plugin: the plugin's name.
            images: as in analyze; they are read as they are sent, not all at once.
            mime_type, options, timeout, queue_timeout, priority, labels, retention, skip_cache: as in submit, for all
                the jobs.
            deadline: the longest time of each call, in seconds; by default no limit.

        Raises:
            ValidationError: what the jobs have in common cannot be sent, such as a timeout that is no duration.
        """
        terms = RunTerms(mime_type, options, timeout, labels, None, retention, skip_cache)
        wait = None if queue_timeout is None else to_duration(queue_timeout, "queue_timeout")
        fields = {"priority": priority, "queue_timeout": wait}
        method = self._connection.execution.BatchSubmitJobs

        async def submit_bytes(image: Image) -> Job | RunwardError:
            try:
                return await self._submit(plugin, image, terms, deadline, **fields)
            except RunwardError as error:
                return error

        answers: list[Job | RunwardError] = []
        async for batch in batches(plugin, images, terms, self._name_image, **fields):
            answers += await self._send_batch(method, batch, submit_bytes, deadline)
        return answers

    async def _send_batch(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[jobs_pb2.BatchSubmitJobsRequest, jobs_pb2.BatchSubmitJobsResponse],
        batch: Batch,
        again: Callable[[Image], Awaitable[Job | RunwardError]],
        deadline: float | None,
    ) -> list[Job | RunwardError]:
        """Give what came of each image; one that the server lacks after all is submitted by itself, `again`."""
        try:
            response = await self._connection.call(
                method, batch.message, name="BatchSubmitJobs", deadline=deadline, replay=True
            )
        except RunwardError as error:
            return batch.all_failed(error)
        answers = [
            await again(batch.by_digest[place]) if self._lacks(answer) and place in batch.by_digest else answer
            for place, answer in enumerate(batch.answers(response.results))
        ]
        for digest in batch.digests:
            self._known.add(digest)
        return answers

    async def get(self, job_id: str, *, deadline: float | None = None) -> Job:
        """Give one job, with its result or its error. Raises ValidationError (JOB_NOT_FOUND) where there is none."""
        request = jobs_pb2.GetJobRequest(job_id=job_id)
        response = await self._call(self._connection.execution.GetJob, request, "GetJob", deadline)
        return Job.from_proto(response.job)

    async def cancel(self, job_id: str, *, deadline: float | None = None) -> Job:
        """End a job as FAILED with CANCELLED and give it; one that has ended already is given as it is."""
        request = jobs_pb2.CancelJobRequest(job_id=job_id)
        response = await self._call(self._connection.execution.CancelJob, request, "CancelJob", deadline)
        return Job.from_proto(response.job)

    async def retry(self, job_id: str, *, request_id: str | None = None, deadline: float | None = None) -> Job:
        """Make a new job from a FAILED job's stored input and give it at once, PENDING; its retry_of is job_id.

        Args:
            job_id: the failed job's id.
            request_id: as in analyze, for the new job.
            deadline: the longest time of this call, in seconds; by default the client's.

        Raises:
            ValidationError: JOB_NOT_FOUND; JOB_STATUS_CONFLICT, the job is not FAILED; BLOB_NOT_FOUND, its image is not
                there any more; or what submit raises.
        """
        request = make_request(jobs_pb2.RetryJobRequest, job_id=job_id, request_id=request_id or new_request_id())
        method = self._connection.execution.RetryJob
        response = await self._call(method, request, "RetryJob", deadline, replay=True)
        return Job.from_proto(response.job)

    async def delete(self, job_id: str, *, deadline: float | None = None) -> None:
        """Erase a finished job from the server's files, with its image unless another job has the same one. Twice does
        no harm.

        Raises ValidationError: JOB_NOT_FOUND; JOB_STATUS_CONFLICT, the job has not ended, so cancel it first.
        """
        request = jobs_pb2.DeleteJobRequest(job_id=job_id)
        await self._call(self._connection.execution.DeleteJob, request, "DeleteJob", deadline, replay=True)

    def watch(
        self, job_id: str, *, after_revision: int = 0, deadline: float | None = None
    ) -> AsyncGenerator[Job, None]:
        """Yield the job's changes in order, each revision once, until SUCCESS or FAILED; that last one has the result.

        A stream that breaks is opened again where it left off, until the server has been gone for RetryPolicy.resume
        seconds.

        Args:
            job_id: the job's id.
            after_revision: only changes after this revision; 0: all that the server kept, at least the current state.
            deadline: the longest time in all, in seconds; by default no limit.

        Raises:
            ValidationError: JOB_NOT_FOUND, REVISION_COMPACTED or REVISION_AHEAD.
            TransportError: the server did not answer, or did not come back.
        """
        return watch_job(self._connection, job_id, after_revision, deadline)

    async def result(self, job_id: str, *, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109 -- of the wait
        """Wait until the job has ended and give its result: what the plugin returned, the job's `result`.

        Args:
            job_id: the job's id.
            timeout: the longest wait, in seconds; by default no limit. The job goes on when it passes.

        Raises:
            ValidationError, PluginError, ExecutionError: the job ended FAILED, with its job_id; or there is none.
            TransportError: the server did not answer, or did not come back.
            TimeoutError: the job has not ended within the timeout.
        """
        last: Job | None = None
        async with asyncio.timeout(timeout), aclosing(self.watch(job_id)) as updates:
            async for job in updates:
                last = job
        if last is None or not last.status.terminal:
            target = self._connection.target
            raise TransportError(f"{target} ended the stream before the job", target=target, reason="UNKNOWN")
        if last.error is not None:
            raise error_from_job(last)
        return last.result or {}
