"""ExecutionService."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NoReturn

from runward.v1 import jobs_pb2, jobs_pb2_grpc
from runward_service.api.call_interceptor import HELD, PRINCIPAL, JobFailed
from runward_service.api.conversion import analyze_answer, duration, fill_job, job_message, job_to_proto, timestamp
from runward_service.api.requests import (
    analyze_request,
    batch_requests,
    invalid_field,
    list_request,
    page_token,
    required,
    retry_request,
    submit_request,
    watch_request,
)
from runward_service.api.status import refusal_in_batch
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobRequest
from runward_service.watch.update import Bookmark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runward_service.domain.server_info import ServerInfo
    from runward_service.execution.analysis_execution_service import AnalysisExecutionService


def not_implemented(method: str) -> NoReturn:
    """Refuse a method of a later release."""
    raise GovernedError(ErrorReason.NOT_IMPLEMENTED, f"{method} is not offered by this release.", {"method": method})


class ExecutionServicer(jobs_pb2_grpc.ExecutionServiceServicer):
    """Converts and delegates; see proto/runward/v1/jobs.proto for what each method does."""

    def __init__(self, analysis: AnalysisExecutionService, info: ServerInfo) -> None:
        """Delegate to the analysis service."""
        self._analysis = analysis
        self._info = info

    async def Analyze(self, request: jobs_pb2.AnalyzeRequest, context: Any) -> Any:
        """Run now. The answer is encoded."""
        converted = [analyze_request(request, PRINCIPAL.get(), HELD.get().take_image())]
        del request  # nor is what it was converted to held while the job waits and runs
        job = await self._analysis.analyze(converted.pop(), HELD.get().let_go)
        if job.error is not None:
            raise JobFailed(job.id, job.error)
        return analyze_answer(job)

    async def SubmitJob(self, request: jobs_pb2.SubmitJobRequest, context: Any) -> jobs_pb2.SubmitJobResponse:
        """Run later."""
        converted = [submit_request(request, PRINCIPAL.get(), HELD.get().take_image())]
        del request
        job = await self._analysis.submit(converted.pop())
        return jobs_pb2.SubmitJobResponse(job=job_to_proto(job))

    async def BatchSubmitJobs(
        self, request: jobs_pb2.BatchSubmitJobsRequest, context: Any
    ) -> jobs_pb2.BatchSubmitJobsResponse:
        """Many to run later."""
        converted = batch_requests(request, PRINCIPAL.get())
        del request
        accepted = iter(await self._analysis.submit_batch([one for one in converted if isinstance(one, JobRequest)]))
        response = jobs_pb2.BatchSubmitJobsResponse()
        for one in converted:
            answer = one if isinstance(one, GovernedError) else next(accepted)
            result = response.results.add()
            if isinstance(answer, GovernedError):
                result.error.CopyFrom(refusal_in_batch(answer))
            else:
                fill_job(result.job, answer)
        return response

    async def GetJob(self, request: jobs_pb2.GetJobRequest, context: Any) -> jobs_pb2.GetJobResponse:
        """One job."""
        job = await self._analysis.get_job(required("job_id", request.job_id), PRINCIPAL.get())
        return jobs_pb2.GetJobResponse(job=job_to_proto(job))

    async def ListJobs(self, request: jobs_pb2.ListJobsRequest, context: Any) -> jobs_pb2.ListJobsResponse:
        """Jobs, newest first."""
        query, size, before = list_request(request, PRINCIPAL.get())
        page = await self._analysis.list_jobs(query, size, before)
        return jobs_pb2.ListJobsResponse(
            jobs=[job_to_proto(job) for job in page.jobs],
            next_page_token=page_token(query, page.next_before),
            revision=page.revision,
        )

    async def CancelJob(self, request: jobs_pb2.CancelJobRequest, context: Any) -> jobs_pb2.CancelJobResponse:
        """End a job."""
        job = await self._analysis.cancel(required("job_id", request.job_id), PRINCIPAL.get())
        return jobs_pb2.CancelJobResponse(job=job_to_proto(job))

    async def WatchJob(self, request: jobs_pb2.WatchJobRequest, context: Any) -> AsyncIterator[Any]:
        """A job's changes, encoded."""
        job_id = required("job_id", request.job_id)
        if request.after_revision < 0:
            raise invalid_field("after_revision", "must not be negative.")
        await context.send_initial_metadata(())  # tells that the watch began, though nothing may come for long
        async with aclosing(self._analysis.watch_job(job_id, PRINCIPAL.get(), request.after_revision)) as updates:
            async for update in updates:
                yield update.message(job_message)

    async def WatchJobs(self, request: jobs_pb2.WatchJobsRequest, context: Any) -> AsyncIterator[Any]:
        """Many jobs' changes, encoded."""
        query, after_revision = watch_request(request, PRINCIPAL.get())
        await context.send_initial_metadata(())
        async with aclosing(self._analysis.watch_jobs(query, after_revision)) as updates:
            async for update in updates:
                if isinstance(update, Bookmark):
                    bookmark = jobs_pb2.Bookmark(revision=update.revision)
                    yield jobs_pb2.WatchJobsResponse(bookmark=bookmark).SerializeToString()
                else:
                    yield update.message(job_message)

    async def GetServerInfo(
        self, request: jobs_pb2.GetServerInfoRequest, context: Any
    ) -> jobs_pb2.GetServerInfoResponse:
        """What this server is."""
        info = self._info
        return jobs_pb2.GetServerInfoResponse(
            version=info.version,
            api="runward.v1",
            owner_id=info.owner,
            start_time=timestamp(info.start_time_us),
            worker_limit=info.worker_limit,
            max_image_bytes=info.max_image_bytes,
            max_result_bytes=info.max_result_bytes,
            retention=duration(info.retention.retain_for_us),
            retained_jobs=info.retention.retain_jobs,
            max_retention=duration(info.max_retention_us),
        )

    async def RetryJob(self, request: jobs_pb2.RetryJobRequest, context: Any) -> jobs_pb2.RetryJobResponse:
        """Run a failed job's input once more."""
        job_id, request_id = retry_request(request)
        job = await self._analysis.retry(job_id, PRINCIPAL.get(), request_id)
        return jobs_pb2.RetryJobResponse(job=job_to_proto(job))

    async def DeleteJob(self, request: jobs_pb2.DeleteJobRequest, context: Any) -> jobs_pb2.DeleteJobResponse:
        """Erase a finished job."""
        await self._analysis.delete(required("job_id", request.job_id), PRINCIPAL.get())
        return jobs_pb2.DeleteJobResponse()
