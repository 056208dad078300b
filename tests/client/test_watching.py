"""Following a job over broken streams."""

import asyncio
from contextlib import aclosing

import grpc
import pytest

import runward
from runward.v1 import jobs_pb2

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def update(server, status, revision):
    """Make one message of WatchJob."""
    return jobs_pb2.WatchJobResponse(job=server.job(status, revision))


def stream(*updates, then=None):
    """Make a handler that sends these and ends OK, or as `then` says."""

    def answer(request, context):
        yield from updates
        if then is not None:
            then(request, context)

    return answer


async def test_watch_yields_every_revision_and_ends(server, rw):
    """Each change comes once, in order, and the iterator ends after the terminal status."""
    server.on(
        "WatchJob",
        stream(update(server, "PENDING", 3), update(server, "RUNNING", 5), update(server, "SUCCESS", 9)),
    )
    seen = [(job.revision, job.status) async for job in rw.watch("job-1")]
    assert seen == [(3, "PENDING"), (5, "RUNNING"), (9, "SUCCESS")]
    (request,) = server.requests["WatchJob"]
    assert (request.job_id, request.after_revision) == ("job-1", 0)


@pytest.mark.parametrize("explained", [True, False], ids=["draining", "without details"])
async def test_watch_resumes_after_the_last_revision(server, rw, explained):
    """A stream that breaks is opened again after the last revision seen, whether or not the server said why."""
    breaks = server.refusal("DRAINING", UNAVAILABLE) if explained else server.ending(UNAVAILABLE)
    server.script(
        "WatchJob",
        stream(update(server, "PENDING", 3), update(server, "RUNNING", 5), then=breaks),
        stream(then=breaks),
        stream(update(server, "RUNNING", 5), update(server, "RUNNING", 7), then=breaks),
        stream(update(server, "SUCCESS", 9)),
    )
    seen = [job.revision async for job in rw.watch("job-1")]
    assert seen == [3, 5, 7, 9]
    assert [request.after_revision for request in server.requests["WatchJob"]] == [0, 5, 5, 7]


async def test_watch_outlives_a_server_restart(server, rw):
    """A server that goes away under a stream and comes back on the same address is found again."""
    hang = server.hang(update(server, "RUNNING", 5))
    server.script("WatchJob", hang.stream, stream(update(server, "SUCCESS", 9)))
    seen = []
    async with aclosing(rw.watch("job-1")) as updates:
        async for job in updates:
            seen.append(job.revision)
            if job.revision == 5:
                await asyncio.to_thread(server.stop)
                server.start()
    assert seen == [5, 9]


async def test_watch_ends_at_the_terminal_status_though_the_stream_goes_on(server, rw):
    """Nothing after the terminal status is waited for; the stream is cancelled."""
    hang = server.hang(update(server, "FAILED", 5))
    server.on("WatchJob", hang.stream)
    assert [job.status async for job in rw.watch("job-1")] == ["FAILED"]
    assert await asyncio.to_thread(hang.left.wait, 30)


async def test_watch_from_the_terminal_revision_is_empty(server, rw):
    """Asked for changes after the last one, the server ends OK without a message, and so does the iterator."""
    server.on("WatchJob", stream())
    assert [job async for job in rw.watch("job-1", after_revision=9)] == []
    assert server.requests["WatchJob"][0].after_revision == 9


async def test_watch_gives_up_on_a_server_that_does_not_come_back(server):
    """Past the policy's time to resume, the broken stream is told."""
    server.script(
        "WatchJob", stream(update(server, "RUNNING", 5), then=server.ending(UNAVAILABLE)), server.ending(UNAVAILABLE)
    )
    async with runward.connect(server.target, retry=runward.RetryPolicy(initial=0.01, resume=0.1)) as rw:
        with pytest.raises(runward.TransportError):
            _ = [job async for job in rw.watch("job-1")]
    assert server.requests["WatchJob"][-1].after_revision == 5


async def test_watch_of_an_absent_server_fails_like_any_call(unused_target):
    """A stream that never said anything is not waited for."""
    async with runward.connect(unused_target, retry=runward.RetryPolicy(initial=0.01)) as rw:
        with pytest.raises(runward.TransportError, match=unused_target):
            _ = [job async for job in rw.watch("job-1")]


async def test_watch_does_not_resume_what_will_not_change(server, rw):
    """A refusal other than UNAVAILABLE is told at once."""
    server.on("WatchJob", server.refusal("JOB_NOT_FOUND", grpc.StatusCode.NOT_FOUND))
    with pytest.raises(runward.ValidationError, match="JOB_NOT_FOUND"):
        _ = [job async for job in rw.watch("job-1")]
    assert server.calls("WatchJob") == 1


async def test_leaving_a_watch_cancels_the_stream(server, rw):
    """An iterator that is closed early leaves no stream behind on the server."""
    hang = server.hang(update(server, "RUNNING", 5))
    server.on("WatchJob", hang.stream)
    async with aclosing(rw.watch("job-1")) as updates:
        assert (await anext(updates)).status is runward.JobStatus.RUNNING
    assert await asyncio.to_thread(hang.left.wait, 30)


async def test_deadline_of_a_watch_counts_all_its_streams(server, rw):
    """A watch with a deadline ends with it."""
    server.on("WatchJob", server.hang(update(server, "RUNNING", 5)).stream)
    with pytest.raises(runward.TransportError, match="did not answer WatchJob"):
        _ = [job async for job in rw.watch("job-1", deadline=0.3)]


async def test_result_is_what_the_plugin_returned(server, rw):
    """Result waits through the watch and gives the job's result."""
    server.on("WatchJob", stream(update(server, "RUNNING", 5), update(server, "SUCCESS", 9)))
    assert await rw.result("job-1") == {"text": "hello"}


async def test_result_of_a_failed_job_raises_its_error(server, rw):
    """A job that failed raises the class of its error, naming the job; there is no gRPC code, for the call was OK."""
    server.on("WatchJob", stream(update(server, "FAILED", 9)))
    with pytest.raises(runward.PluginError, match="the plugin gave up") as caught:
        await rw.result("job-1")
    error = caught.value
    assert (error.reason, error.plugin, error.job_id, error.code) == ("PLUGIN_RAISED", "ocr", "job-1", None)


async def test_result_waits_no_longer_than_told(server, rw):
    """Past its timeout, result raises TimeoutError and leaves the stream; the job goes on."""
    hang = server.hang(update(server, "RUNNING", 5))
    server.on("WatchJob", hang.stream)
    with pytest.raises(TimeoutError):
        await rw.result("job-1", timeout=0.3)
    assert await asyncio.to_thread(hang.left.wait, 30)
    assert server.calls("CancelJob") == 0


async def test_result_of_a_stream_that_ends_too_early_is_an_error(server, rw):
    """A stream that ends OK before its job is never taken for a result."""
    server.on("WatchJob", stream(update(server, "RUNNING", 5)))
    with pytest.raises(runward.TransportError, match="before the job"):
        await rw.result("job-1")
