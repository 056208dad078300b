"""How a failed call becomes an exception."""

import grpc
import pytest

import runward
from runward.v1 import jobs_pb2

PNG = b"\x89PNG\r\n\x1a\n"


async def test_refusal_carries_everything_that_the_server_said(server, rw):
    """A refusal raises the class of its type, with reason, message, details, plugin, job, code, delay and time."""
    server.on(
        "SubmitJob",
        server.refusal(
            "QUEUE_FULL",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            error_type="EXECUTION_ERROR",
            message="too many jobs wait",
            details={"limit": 100, "load": 1.5, "plugins": ["ocr", None]},
            plugin="ocr",
            job_id="job-7",
            retry_after=2.5,
        ),
    )
    with pytest.raises(runward.ExecutionError) as caught:
        await rw.submit("ocr", PNG)
    error = caught.value
    assert (error.reason, error.message, error.plugin, error.job_id) == (
        "QUEUE_FULL",
        "too many jobs wait",
        "ocr",
        "job-7",
    )
    assert error.details == {"limit": 100, "load": 1.5, "plugins": ["ocr", None]}
    assert isinstance(error.details["limit"], int)
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.retry_after.total_seconds() == 2.5
    assert error.timestamp.isoformat() == "2023-11-14T22:13:20+00:00"
    assert str(error) == "QUEUE_FULL: too many jobs wait"


@pytest.mark.parametrize(
    ("error_type", "kind"),
    [
        ("VALIDATION_ERROR", runward.ValidationError),
        ("PLUGIN_ERROR", runward.PluginError),
        ("EXECUTION_ERROR", runward.ExecutionError),
        ("UNSPECIFIED", runward.ExecutionError),
    ],
)
async def test_each_type_has_its_class(server, rw, error_type, kind):
    """The envelope's type decides the class; a type that is not known is an ExecutionError."""
    server.on("GetJob", server.refusal("INTERNAL", grpc.StatusCode.INTERNAL, error_type=error_type))
    with pytest.raises(runward.RunwardError) as caught:
        await rw.get("job-1")
    assert type(caught.value) is kind


async def test_validation_error_is_a_value_error(server, rw):
    """Code that knows nothing of runward can catch a ValidationError as the ValueError that it is."""
    server.on("GetJob", server.refusal("INVALID_FIELD"))
    with pytest.raises(ValueError, match="INVALID_FIELD: no"):
        await rw.get("job-1")


@pytest.mark.parametrize(
    "details",
    [None, b"", b"\xff\xff garbage", b"\x08\x03"],
    ids=["absent", "empty", "garbage", "without our messages"],
)
async def test_status_without_our_details_is_a_transport_error(server, rw, details):
    """Details that are absent, or are no such thing, cannot break the client: the status itself is told."""
    server.on("GetJob", server.ending(grpc.StatusCode.INVALID_ARGUMENT, "odd", details))
    with pytest.raises(runward.TransportError, match=r"INVALID_ARGUMENT.*odd") as caught:
        await rw.get("job-1")
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_details_of_another_domain_are_not_ours(server, rw):
    """An error that a proxy made, with its own domain, is not taken for the server's."""
    server.on("GetJob", server.refusal("JOB_NOT_FOUND", grpc.StatusCode.NOT_FOUND, domain="proxy.example"))
    with pytest.raises(runward.TransportError, match="NOT_FOUND"):
        await rw.get("job-1")


async def test_details_of_another_status_are_not_believed(server, rw):
    """Details whose code is not the call's are not taken for its explanation."""
    server.on("GetJob", server.refusal("JOB_NOT_FOUND", grpc.StatusCode.NOT_FOUND, status_code=3))
    with pytest.raises(runward.TransportError):
        await rw.get("job-1")


async def test_absent_server_is_named(unused_target):
    """Where nothing listens, the error names the address that was called."""
    async with runward.connect(unused_target, retry=runward.RetryPolicy(attempts=1)) as rw:
        with pytest.raises(runward.TransportError, match=unused_target) as caught:
            await rw.server_info()
    assert caught.value.target == unused_target
    assert caught.value.reason == "UNAVAILABLE"


async def test_passed_deadline_is_a_transport_error(server, rw):
    """A server that does not answer in time is told from one that refuses, and sees that its caller has gone."""
    hang = server.hang()
    server.on("Analyze", hang.unary)
    with pytest.raises(runward.TransportError, match="did not answer Analyze") as caught:
        await rw.analyze("ocr", PNG, deadline=0.3)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert hang.left.wait(30)


async def test_timeout_of_a_run_is_not_a_passed_deadline(server, rw):
    """DEADLINE_EXCEEDED with details is the run's timeout: an ExecutionError that names the job."""
    server.on(
        "Analyze",
        server.refusal(
            "TIMEOUT", grpc.StatusCode.DEADLINE_EXCEEDED, error_type="EXECUTION_ERROR", plugin="ocr", job_id="job-3"
        ),
    )
    with pytest.raises(runward.ExecutionError) as caught:
        await rw.analyze("ocr", PNG)
    assert (caught.value.reason, caught.value.job_id) == ("TIMEOUT", "job-3")


async def test_cancelled_job_does_not_look_like_a_cancelled_task(server, rw):
    """A job that another caller cancelled raises ExecutionError, never asyncio's CancelledError."""
    server.on(
        "Analyze",
        server.refusal("CANCELLED", grpc.StatusCode.CANCELLED, error_type="EXECUTION_ERROR", job_id="job-3"),
    )
    with pytest.raises(runward.ExecutionError, match="CANCELLED"):
        await rw.analyze("ocr", PNG)


@pytest.mark.parametrize("method", ["retry", "delete", "reload", "verify"])
async def test_method_that_the_server_lacks_is_named(rw, server, method):
    """UNIMPLEMENTED without details comes from a server that does not know the method: the message names both."""
    with pytest.raises(runward.ExecutionError, match=rf"{server.target} does not offer \w+") as caught:
        await getattr(rw, method)("x")
    assert caught.value.reason == "NOT_IMPLEMENTED"


async def test_status_from_a_newer_server_asks_for_an_update(server, rw):
    """A status that this client does not know is an error that says what to do, not a guess."""
    server.on("GetJob", lambda *_: jobs_pb2.GetJobResponse(job=jobs_pb2.Job(id="job-1", status=9)))
    with pytest.raises(runward.RunwardError, match="update runward"):
        await rw.get("job-1")
