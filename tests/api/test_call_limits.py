"""How much may be under way at once: calls, streams, bytes of requests, and what a caller sees beyond that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runward.v1 import jobs_pb2
from runward_service.api.call_interceptor import MAX_STREAM_REQUEST_BYTES
from runward_service.api.call_limits import LOOKS, RECEIVE_SECONDS, CallLimits, Message
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import Principal
from runward_service.domain.limits import MAX_MESSAGE_BYTES, MEBIBYTE, CallBounds
from tests.api.calls import payload, refused, serving
from tests.harness.service import PNG, refusal, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

CODES = grpc.StatusCode
ONE, OTHER = Principal("one", "default"), Principal("other", "default")
NO_JOB = jobs_pb2.GetJobRequest(job_id="00000000-0000-7000-8000-000000000000")


def analyze(stage: Stage, image: bytes = PNG) -> jobs_pb2.AnalyzeRequest:
    """A call that lasts until the stage lets it end."""
    return jobs_pb2.AnalyzeRequest(plugin="single_puppet", payload=payload(image, **stage.options))


class Upload:
    """A call whose message arrives when the test says so: what gRPC gives a method of it."""

    def __init__(self, limits: CallLimits) -> None:
        self.message: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.received = asyncio.ensure_future(limits.receive(self))  # type: ignore[arg-type]

    async def read(self) -> Any:
        """The message, once it is there."""
        return await self.message


async def uploads(limits: CallLimits, count: int) -> list[Upload]:
    """Uploads that have begun."""
    begun = [Upload(limits) for _ in range(count)]
    await asyncio.sleep(0)
    return begun


def look_often(limits: CallLimits) -> None:
    """Look as often as makes a large message of one that is still not there."""
    for _ in range(LOOKS):
        limits.look(0)


async def bound_of(call: Awaitable[object]) -> str:
    """The bound that a call was refused by."""
    error = await refusal(call)
    assert error.reason is ErrorReason.TOO_MANY_CALLS
    return str(error.details["bound"])


async def test_calls_under_way(tmp_path: Path) -> None:
    """Beyond so many calls the next is refused, typed, with a delay; an end makes room."""
    bounds = CallBounds(calls=2)
    async with Stage() as stage, serving(tmp_path, "SinglePuppet", calls=bounds) as api:
        calls = [asyncio.ensure_future(_answer(api.jobs.Analyze(analyze(stage)))) for _ in range(2)]
        visit = await stage.enter()
        while (refusal := await refused(api.jobs.GetJob(NO_JOB))).reason == "JOB_NOT_FOUND":
            continue  # the second call is still on its way
        assert (refusal.code, refusal.reason) == (CODES.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
        assert (refusal.details["bound"], refusal.details["limit"], refusal.retry_seconds) == ("calls", 2, 1)
        visit.give()
        visit = await stage.enter()
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert (await refused(api.jobs.GetJob(NO_JOB))).reason == "JOB_NOT_FOUND"
        visit.give()
        await asyncio.gather(*calls)


async def _answer(call: Any) -> Any:
    return await call


async def test_open_watches(tmp_path: Path) -> None:
    """Beyond so many streams the next is refused; the others go on, calls are answered, and an end makes room."""
    bounds = CallBounds(watches=3, watches_per_caller=2)
    async with serving(tmp_path, "Echo", calls=bounds) as api:
        streams = [api.jobs.WatchJobs(jobs_pb2.WatchJobsRequest()) for _ in range(2)]
        for stream in streams:
            await stream.read()
        refusal = await refused(api.jobs.WatchJobs(jobs_pb2.WatchJobsRequest()).read())
        assert (refusal.code, refusal.reason) == (CODES.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
        assert (refusal.details["bound"], refusal.details["limit"]) == ("watches_per_caller", 2)
        submitted = await api.jobs.SubmitJob(jobs_pb2.SubmitJobRequest(plugin="echo", payload=payload()))
        assert submitted.job.id
        streams[0].cancel()
        while True:
            stream = api.jobs.WatchJobs(jobs_pb2.WatchJobsRequest())
            try:
                await stream.read()
            except grpc.aio.AioRpcError:
                continue  # the server has not heard of the end yet
            break
        streams[1].cancel()
        stream.cancel()


async def test_watches_in_all_and_of_one_caller() -> None:
    """Both are counted; who comes to nothing is forgotten."""
    limits = CallLimits(CallBounds(watches=3, watches_per_caller=2), MAX_MESSAGE_BYTES)

    async def open_one(principal: Principal) -> None:
        with limits.watch(principal):
            return

    with limits.watch(ONE), limits.watch(ONE):
        assert await bound_of(open_one(ONE)) == "watches_per_caller"
        with limits.watch(OTHER):
            assert await bound_of(open_one(OTHER)) == "watches"
        await open_one(OTHER)
    assert limits.watches == 0
    assert not limits._watches_of


async def test_requests_are_weighed_while_they_are_held() -> None:
    """The bytes count from their arrival until they are let go, once however often that is said."""
    limits = CallLimits(CallBounds(request_bytes=MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
    (upload,) = await uploads(limits, 1)
    upload.message.set_result(b"x" * 1000)
    message = await upload.received
    assert isinstance(message, Message)
    assert (message.take(), limits.request_bytes) == (b"x" * 1000, 1000)
    message.let_go()
    message.let_go()
    assert limits.request_bytes == 0


async def test_slow_messages_get_room_or_are_refused() -> None:
    """A message that takes long to arrive has room for the largest kept for it; where there is none it is refused, and
    new calls before anything of them is read. What arrives makes room again.
    """
    limits = CallLimits(CallBounds(request_bytes=2 * MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
    slow = await uploads(limits, 3)
    look_often(limits)
    done, waiting = await asyncio.wait([upload.received for upload in slow], timeout=0)
    assert len(done) == 1
    assert await bound_of(done.pop()) == "request_bytes"
    assert limits.request_bytes == 2 * MAX_MESSAGE_BYTES
    (late,) = await uploads(limits, 1)
    assert await bound_of(late.received) == "request_bytes"
    for upload in slow:
        if not upload.received.done():
            upload.message.set_result(b"there")
    await asyncio.gather(*waiting)
    assert limits.request_bytes == 2 * len(b"there")
    (again,) = await uploads(limits, 1)
    again.message.set_result(b"")
    await again.received


async def test_messages_that_do_not_come() -> None:
    """A call that sends nothing ends after a minute, one that ends without a message at once, and both leave no room
    taken; so does a caller that hangs up.
    """
    limits = CallLimits(CallBounds(), MAX_MESSAGE_BYTES)
    stuck, empty, gone = await uploads(limits, 3)
    look_often(limits)
    empty.message.set_result(grpc.aio.EOF)
    assert (await refusal(empty.received)).reason is ErrorReason.MALFORMED_REQUEST
    gone.received.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone.received
    limits.look(asyncio.get_running_loop().time() + RECEIVE_SECONDS + 1)
    assert (await refusal(stuck.received)).reason is ErrorReason.MALFORMED_REQUEST
    assert limits.request_bytes == 0


async def test_a_call_that_waits_does_not_hold_its_request(tmp_path: Path) -> None:
    """Four waiting calls with images of 17 MiB leave room for a fifth where requests may take 66 MiB at once."""
    bounds = CallBounds(request_bytes=66 * MEBIBYTE)
    image = PNG + bytes(17 * MEBIBYTE)
    async with Stage() as stage, serving(tmp_path, "SinglePuppet", calls=bounds) as api:
        calls = [asyncio.ensure_future(_answer(api.jobs.Analyze(analyze(stage, image + b"0"))))]
        visit = await stage.enter()
        waiting = api.service.scheduler._slots.queue("single_puppet").callers
        for number in range(1, 5):
            calls.append(asyncio.ensure_future(_answer(api.jobs.Analyze(analyze(stage, image + bytes([number]))))))
            await turns_until(lambda number=number: len(waiting) == number or calls[-1].done())  # type: ignore[misc]
        for _ in calls[1:]:
            visit.give()
            visit = await stage.enter()
        visit.give()
        assert {answer.job.status for answer in await asyncio.gather(*calls)} == {jobs_pb2.JOB_STATUS_SUCCESS}


async def test_what_grpc_itself_refuses(tmp_path: Path) -> None:
    """A message beyond the limit, and metadata beyond theirs, end RESOURCE_EXHAUSTED, without an envelope: gRPC refuses
    them before the service sees them. The connection goes on.
    """
    async with serving(tmp_path, "Echo") as api:
        large = jobs_pb2.SubmitJobRequest(plugin="echo", payload=payload(bytes(MAX_MESSAGE_BYTES)))
        for call in (
            api.jobs.SubmitJob(large),
            api.jobs.GetJob(NO_JOB, metadata=(("x-large", "y" * 20_000),)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is CODES.RESOURCE_EXHAUSTED
            assert "grpc-status-details-bin" not in dict(caught.value.trailing_metadata() or ())
        assert (await refused(api.jobs.GetJob(NO_JOB, metadata=(("x-small", "y" * 8000),)))).reason == "JOB_NOT_FOUND"


def test_a_refusal_is_no_entry() -> None:
    """A call that was refused does not count among those under way."""
    limits = CallLimits(CallBounds(calls=1), MAX_MESSAGE_BYTES)
    limits.enter()
    with pytest.raises(GovernedError):
        limits.enter()
    limits.leave()
    limits.enter()


async def test_the_request_of_a_stream_is_small(tmp_path: Path) -> None:
    """What a stream would keep as long as it lasts is refused where it is large, of watches of jobs and of health."""
    large = "x" * (MAX_STREAM_REQUEST_BYTES + 1)
    async with serving(tmp_path, "Echo") as api:
        health = health_pb2_grpc.HealthStub(api.channel).Watch(health_pb2.HealthCheckRequest(service=large))
        for stream in (api.jobs.WatchJobs(jobs_pb2.WatchJobsRequest(plugin=large)), health):
            refusal = await refused(stream.read())
            assert (refusal.code, refusal.reason) == (CODES.INVALID_ARGUMENT, "MALFORMED_REQUEST")
            assert refusal.details == {"limit_bytes": MAX_STREAM_REQUEST_BYTES}


async def test_statuses_without_end(tmp_path: Path) -> None:
    """A list of statuses that is longer than any that means something is refused unread, by both that take one."""
    statuses = [jobs_pb2.JOB_STATUS_FAILED] * 17
    async with serving(tmp_path, "Echo") as api:
        stream = api.jobs.WatchJobs(jobs_pb2.WatchJobsRequest(statuses=statuses))
        for call in (api.jobs.ListJobs(jobs_pb2.ListJobsRequest(statuses=statuses)), stream.read()):
            refusal = await refused(call)
            assert (refusal.reason, refusal.details) == ("INVALID_FIELD", {"field": "statuses"})
