"""Which calls are made again, and which never are."""

import asyncio
import json

import grpc
import pytest

import runward
from runward.channel import HARMLESS_TWICE, service_config
from runward.v1 import blobs_pb2, governance_pb2, jobs_pb2, plugins_pb2

PNG = b"\x89PNG\r\n\x1a\n"
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def draining(server):
    """Give a handler that refuses as a server does that is stopping: it accepted nothing."""
    return server.refusal("DRAINING", UNAVAILABLE, error_type="EXECUTION_ERROR", retry_after=0.01)


def analyzed(server):
    """Make a handler of Analyze that answers."""
    return lambda *_: jobs_pb2.AnalyzeResponse(job=server.job())


def submitted(server):
    """Make a handler of SubmitJob that answers."""
    return lambda *_: jobs_pb2.SubmitJobResponse(job=server.job("PENDING"))


async def test_refused_analyze_is_made_again(server, rw, draining):
    """Where the server itself says that it accepted nothing, Analyze is called again and nobody notices."""
    server.script("Analyze", draining, draining, analyzed(server))
    job = await rw.analyze("ocr", PNG)
    assert job.result == {"text": "hello"}
    assert server.calls("Analyze") == 3


@pytest.mark.parametrize("request_id", [None, "receipt-1"])
async def test_analyze_is_made_again_with_the_same_request_id(server, rw, request_id):
    """UNAVAILABLE without our details may be a connection that broke under a run: the request is sent again with the
    id by which the server knows it, so that there is no second run.
    """
    server.script("Analyze", server.ending(UNAVAILABLE), analyzed(server))
    assert (await rw.analyze("ocr", PNG, request_id=request_id)).result == {"text": "hello"}
    first, second = server.requests["Analyze"]
    assert first == second
    assert first.request_id == (request_id or first.request_id) != ""


async def test_each_call_has_a_request_id_of_its_own(server, rw):
    """Two calls alike are two requests."""
    server.on("Analyze", analyzed(server))
    server.on("SubmitJob", submitted(server))
    for _ in range(2):
        await rw.analyze("ocr", PNG)
        await rw.submit("ocr", PNG)
    ids = [request.request_id for name in ("Analyze", "SubmitJob") for request in server.requests[name]]
    assert len(set(ids)) == 4
    assert all(16 <= len(request_id) <= 128 for request_id in ids)


async def test_connection_that_breaks_under_a_run(server, rw):
    """A server that dies under an Analyze and comes back gets the same request again."""
    hang = server.hang()
    server.on("Analyze", hang.unary)
    call = asyncio.create_task(rw.analyze("ocr", PNG))
    assert await asyncio.to_thread(hang.entered.wait, 30)
    await asyncio.to_thread(server.stop)
    server.on("Analyze", analyzed(server))
    server.start()
    assert (await call).result == {"text": "hello"}
    first, second = server.requests["Analyze"]
    assert first == second


async def test_submit_with_request_id_is_made_again(server, rw):
    """With a request id the server gives the same job, so that a broken connection is no reason to fail."""
    server.script("SubmitJob", server.ending(UNAVAILABLE), submitted(server))
    job = await rw.submit("ocr", PNG, request_id="receipt-1")
    assert job.status is runward.JobStatus.PENDING
    assert [request.request_id for request in server.requests["SubmitJob"]] == ["receipt-1", "receipt-1"]


async def test_read_is_made_again_by_the_channel(server, rw):
    """A read does no harm when it runs twice: it is repeated with or without the server's word."""
    server.script("GetJob", server.ending(UNAVAILABLE), lambda *_: jobs_pb2.GetJobResponse(job=server.job()))
    assert (await rw.get("job-1")).id == "job-1"
    assert server.calls("GetJob") == 2


async def test_attempts_are_bounded(server, draining):
    """A server that keeps refusing is asked as often as the policy says, then its refusal is told."""
    server.on("Analyze", draining)
    server.on("GetJob", draining)
    policy = runward.RetryPolicy(attempts=3, initial=0.01)
    async with runward.connect(server.target, retry=policy) as rw:
        with pytest.raises(runward.ExecutionError, match="DRAINING"):
            await rw.analyze("ocr", PNG)
        with pytest.raises(runward.ExecutionError, match="DRAINING"):
            await rw.get("job-1")
    assert server.calls("Analyze") == 3
    assert server.calls("GetJob") == 3


async def test_single_attempt_means_no_retry(server, draining):
    """A policy of one attempt never calls again."""
    server.on("Analyze", draining)
    server.on("GetJob", draining)
    async with runward.connect(server.target, retry=runward.RetryPolicy(attempts=1)) as rw:
        with pytest.raises(runward.ExecutionError):
            await rw.analyze("ocr", PNG)
        with pytest.raises(runward.ExecutionError):
            await rw.get("job-1")
    assert (server.calls("Analyze"), server.calls("GetJob")) == (1, 1)


@pytest.mark.parametrize(("retry_after", "deadline"), [(60, None), (5, 2)], ids=["too long", "past the deadline"])
async def test_long_wait_is_left_to_the_caller(server, rw, retry_after, deadline):
    """A wait that the server asks for, too long or past the deadline, is told in retry_after rather than slept."""
    server.on(
        "Analyze",
        server.refusal("DRAINING", UNAVAILABLE, error_type="EXECUTION_ERROR", retry_after=retry_after),
    )
    with pytest.raises(runward.ExecutionError) as caught:
        await rw.analyze("ocr", PNG, deadline=deadline)
    assert caught.value.retry_after.total_seconds() == retry_after
    assert server.calls("Analyze") == 1


async def test_full_queue_is_not_retried(server, rw):
    """Overload is told at once: automatic retries would make it worse."""
    server.on(
        "SubmitJob",
        server.refusal(
            "QUEUE_FULL", grpc.StatusCode.RESOURCE_EXHAUSTED, error_type="EXECUTION_ERROR", retry_after=0.01
        ),
    )
    with pytest.raises(runward.ExecutionError, match="QUEUE_FULL"):
        await rw.submit("ocr", PNG, request_id="receipt-1")
    assert server.calls("SubmitJob") == 1


def test_channel_retries_only_what_does_no_harm_twice():
    """The service config names real methods, none of them one that runs or makes something, for UNAVAILABLE alone."""
    config = service_config(runward.RetryPolicy())
    (entry,) = config["methodConfig"]
    names = {(name["service"], name["method"]) for name in entry["name"]}
    assert entry["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert names == {(service, method) for service, methods in HARMLESS_TWICE.items() for method in methods}
    real = {
        (service.full_name, method.name)
        for file in (jobs_pb2, plugins_pb2, blobs_pb2, governance_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert {name for name in names if name[0].startswith("runward.")} < real
    harmful = {"Analyze", "SubmitJob", "BatchSubmitJobs", "RetryJob", "DeleteJob", "ReloadPlugin", "VerifyJob"}
    harmful.add("UploadBlob")
    assert not harmful & {method for _, method in names}
    assert "Analyze" not in json.dumps(config)
