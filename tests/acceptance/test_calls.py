"""What callers get over the wire: answers, refusals with full envelopes, health and reflection."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from PIL import Image

import runward
from runward.v1 import errors_pb2, jobs_pb2, jobs_pb2_grpc, plugins_pb2, plugins_pb2_grpc

if TYPE_CHECKING:
    from runward import Client
    from tests.acceptance.server_process import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = b"This is a text, not a picture.\n"


async def count_jobs(client: Client) -> int:
    """How many jobs are stored."""
    return len([job async for job in client.list()])


async def refusal(address: str, method: str, request: bytes) -> tuple[grpc.StatusCode, errors_pb2.Error, ErrorInfo]:
    """What a unary call with raw bytes is refused with: its code, its error, its ErrorInfo."""
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(f"/runward.v1.{method}")(request)
    trailers = dict(caught.value.trailing_metadata() or ())
    status = Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == caught.value.code().value[0]
    assert status.message == caught.value.details()
    envelope, info = errors_pb2.ErrorEnvelope(), ErrorInfo()
    assert status.details[0].Unpack(envelope)
    assert status.details[1].Unpack(info)
    assert info.domain == "runward"
    assert errors_pb2.ErrorReason.Name(envelope.error.reason) == f"ERROR_REASON_{info.reason}"
    assert envelope.error.timestamp.seconds > 0
    assert envelope.error.message
    return caught.value.code(), envelope.error, info


def analyze(plugin: str = "echo", image: bytes = b"", mime_type: str = "image/png", **fields: Any) -> bytes:
    """An AnalyzeRequest as bytes."""
    payload = jobs_pb2.Payload(image=image, mime_type=mime_type)
    if "options" in fields:
        payload.options.update(fields.pop("options"))
    return jobs_pb2.AnalyzeRequest(plugin=plugin, payload=payload, **fields).SerializeToString()


async def test_reflection_lists_the_four_services(server: ServerProcess) -> None:
    """Server reflection names the four services of runward.v1 and the standard health service."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = {service.name async for answer in call for service in answer.list_services_response.service}
    ours = {f"runward.v1.{name}Service" for name in ("Execution", "Plugin", "Blob", "Governance")}
    assert ours | {"grpc.health.v1.Health"} <= names


@pytest.mark.parametrize("service", ["", "runward.v1.ExecutionService", "runward.plugin.ocr", "runward.plugin.noop"])
async def test_health_is_serving(server: ServerProcess, service: str) -> None:
    """The standard health check answers SERVING for the server, its services and its usable plugins, once their
    libraries are loaded.
    """
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        async for change in stub.Watch(request):
            if change.status == health_pb2.HealthCheckResponse.SERVING:
                break
        answer = await stub.Check(request)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("plugin", ["unmet", "setup_fails"])
async def test_health_of_an_unusable_plugin(server: ServerProcess, client: Client, plugin: str) -> None:
    """A plugin whose library is absent or whose setup failed is UNAVAILABLE with the reason, and NOT_SERVING."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=f"runward.plugin.{plugin}"))
        async for answer in watch:
            if answer.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                break
        watch.cancel()
    state = await client.plugin(plugin)
    assert state.state == "UNAVAILABLE"
    expected = {"unmet": "pip install no-such-distribution", "setup_fails": "setup failed: RuntimeError"}[plugin]
    assert expected in state.state_reason
    with pytest.raises(runward.PluginError) as caught:
        await client.analyze(plugin, b"\x89PNG\r\n\x1a\n", mime_type="image/png")
    assert (caught.value.reason, caught.value.code) == ("PLUGIN_UNAVAILABLE", grpc.StatusCode.FAILED_PRECONDITION)


async def test_health_of_an_unknown_plugin(server: ServerProcess) -> None:
    """The health check of a plugin that does not exist is NOT_FOUND, as the health protocol asks."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="runward.plugin.x"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
REFUSALS = {
    "empty image": (analyze(), "INVALID_ARGUMENT", "IMAGE_MISSING", "VALIDATION_ERROR"),
    "no payload": (
        jobs_pb2.AnalyzeRequest(plugin="echo").SerializeToString(),
        "INVALID_ARGUMENT",
        "IMAGE_MISSING",
        "VALIDATION_ERROR",
    ),
    "empty mime type": (analyze(image=PNG, mime_type=""), "INVALID_ARGUMENT", "MIME_TYPE_MISSING", "VALIDATION_ERROR"),
    "blank mime type": (analyze(image=PNG, mime_type=" "), "INVALID_ARGUMENT", "MIME_TYPE_MISSING", "VALIDATION_ERROR"),
    "text as png": (analyze(image=TEXT), "INVALID_ARGUMENT", "MIME_TYPE_MISMATCH", "VALIDATION_ERROR"),
    "png as jpeg": (
        analyze(image=PNG, mime_type="image/jpeg"),
        "INVALID_ARGUMENT",
        "MIME_TYPE_MISMATCH",
        "VALIDATION_ERROR",
    ),
    "type not taken": (
        analyze(image=PNG, mime_type="text/plain"),
        "INVALID_ARGUMENT",
        "MIME_TYPE_UNSUPPORTED",
        "VALIDATION_ERROR",
    ),
    "unknown plugin": (analyze("nope", PNG), "NOT_FOUND", "PLUGIN_NOT_FOUND", "PLUGIN_ERROR"),
    "no plugin": (analyze("", PNG), "INVALID_ARGUMENT", "INVALID_FIELD", "VALIDATION_ERROR"),
    "unknown option": (
        analyze(image=PNG, options={"wrong": 1}),
        "INVALID_ARGUMENT",
        "OPTIONS_INVALID",
        "VALIDATION_ERROR",
    ),
    "option of another type": (
        analyze(image=PNG, options={"count": "x"}),
        "INVALID_ARGUMENT",
        "OPTIONS_INVALID",
        "VALIDATION_ERROR",
    ),
    "fraction for an integer": (
        analyze(image=PNG, options={"count": 1.5}),
        "INVALID_ARGUMENT",
        "OPTIONS_INVALID",
        "VALIDATION_ERROR",
    ),
    "malformed protobuf": (b"\xff\xff\xff", "INVALID_ARGUMENT", "MALFORMED_REQUEST", "VALIDATION_ERROR"),
    "timeout too long": (
        analyze(image=PNG, timeout={"seconds": 3600}),
        "INVALID_ARGUMENT",
        "TIMEOUT_INVALID",
        "VALIDATION_ERROR",
    ),
    "negative timeout": (
        analyze(image=PNG, timeout={"seconds": -1}),
        "INVALID_ARGUMENT",
        "TIMEOUT_INVALID",
        "VALIDATION_ERROR",
    ),
    "long request id": (
        analyze(image=PNG, request_id="r" * 129),
        "INVALID_ARGUMENT",
        "INVALID_FIELD",
        "VALIDATION_ERROR",
    ),
    "image by digest": (
        jobs_pb2.AnalyzeRequest(plugin="echo", payload={"image_digest": "sha256:" + "0" * 64}).SerializeToString(),
        "FAILED_PRECONDITION",
        "BLOB_NOT_FOUND",
        "VALIDATION_ERROR",
    ),
}


@pytest.mark.parametrize("method", ["Analyze", "SubmitJob"])
@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refused_request_has_a_full_envelope_and_leaves_no_job(
    server: ServerProcess, client: Client, case: str, method: str
) -> None:
    """Bad input of each kind ends with its code and a whole envelope, and nothing is stored."""
    request, code, reason, kind = REFUSALS[case]
    before = await count_jobs(client)
    got_code, error, info = await refusal(server.address, f"ExecutionService/{method}", request)
    assert (got_code.name, info.reason, errors_pb2.ErrorType.Name(error.type)) == (code, reason, f"ERROR_TYPE_{kind}")
    assert "job_id" not in info.metadata
    assert await count_jobs(client) == before


@pytest.mark.parametrize(
    ("method", "request_bytes"),
    [
        ("PluginService/ReloadPlugin", b""),
    ],
)
async def test_methods_of_later_releases_are_refused_with_an_envelope(
    server: ServerProcess, method: str, request_bytes: bytes
) -> None:
    """A method that is declared and not offered yet ends UNIMPLEMENTED, typed like every other refusal."""
    code, _, info = await refusal(server.address, method, request_bytes)
    assert (code, info.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED")


async def test_an_unknown_job_is_not_found(server: ServerProcess) -> None:
    """GetJob, CancelJob and WatchJob of an id that no job has end NOT_FOUND."""
    request = jobs_pb2.GetJobRequest(job_id="0" * 36).SerializeToString()
    for method in ("GetJob", "CancelJob"):
        code, _, info = await refusal(server.address, f"ExecutionService/{method}", request)
        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")


async def test_a_failed_analyze_names_its_job(server: ServerProcess, client: Client) -> None:
    """A job that was accepted and failed ends Analyze with its envelope and its id; GetJob answers OK with the same
    error.
    """
    request = analyze("fails", b"x", "application/octet-stream", options={"how": "plugin_error"})
    code, error, info = await refusal(server.address, "ExecutionService/Analyze", request)
    assert (code, info.reason, error.message) == (grpc.StatusCode.INTERNAL, "PLUGIN_RAISED", "The lamp is broken.")
    assert dict(error.details) == {"lamp": 7}
    job = await client.get(info.metadata["job_id"])
    assert job.status == "FAILED"
    assert job.error is not None
    assert (job.error.reason, job.error.message) == ("PLUGIN_RAISED", "The lamp is broken.")


async def test_an_exceptions_text_and_traceback_never_cross_the_wire(server: ServerProcess, client: Client) -> None:
    """An exception of a plugin that is not PluginError is told in general words; its text is nowhere in the call's
    answer.
    """
    request = analyze("fails", b"x", "application/octet-stream")
    async with grpc.aio.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/runward.v1.ExecutionService/Analyze")(request)
        trailers = dict(caught.value.trailing_metadata() or ())
        stub = jobs_pb2_grpc.ExecutionServiceStub(channel)
        info = ErrorInfo()
        Status.FromString(trailers["grpc-status-details-bin"]).details[1].Unpack(info)
        job = await stub.GetJob(jobs_pb2.GetJobRequest(job_id=info.metadata["job_id"]))
    for text in (repr(trailers), str(caught.value.details()), repr(job.SerializeToString())):
        assert "hunter2" not in text
        assert "Traceback" not in text


async def test_a_20_mb_photograph_is_analysed(client: Client, photograph: bytes) -> None:
    """An image of 20 MB goes through Analyze and comes out measured."""
    job = await client.analyze("image_info", photograph, mime_type="image/jpeg")
    assert job.payload.size_bytes == len(photograph)
    assert job.result is not None
    assert (job.result["width"], job.result["height"]) == (6000, 4000)


async def test_a_truncated_jpeg_is_a_validation_error_of_a_job(client: Client, photograph: bytes) -> None:
    """A JPEG that is cut off passes the first bytes' check and ends as a ValidationError that the worker found."""
    with pytest.raises(runward.ValidationError) as caught:
        await client.analyze("image_info", photograph[:300_000], mime_type="image/jpeg")
    assert (caught.value.reason, caught.value.code) == ("INPUT_REJECTED", grpc.StatusCode.INVALID_ARGUMENT)
    assert caught.value.job_id is not None
    assert (await client.get(caught.value.job_id)).status == "FAILED"


async def test_whole_numbers_reach_the_plugin_as_int(client: Client, picture: bytes) -> None:
    """An option that is a whole number is an int in the plugin, though protobuf only has doubles."""
    job = await client.analyze("echo", picture, options={"count": 3})
    assert job.result is not None
    assert (job.result["options"], job.result["option_types"]) == ({"count": 3}, {"count": "int"})


async def test_the_type_is_compared_without_regard_to_case(client: Client, picture: bytes) -> None:
    """Types are case-insensitive: IMAGE/PNG is image/png."""
    job = await client.analyze("echo", picture, mime_type="IMAGE/PNG")
    assert job.payload.mime_type == "image/png"


async def test_images_of_an_unknown_format_are_refused_by_decoders_alone(client: Client) -> None:
    """A picture whose first bytes fit and whose rest does not is found by the worker."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    with pytest.raises(runward.ValidationError) as caught:
        await client.analyze("decode", buffer.getvalue()[:40], mime_type="image/png")
    assert caught.value.reason == "INPUT_REJECTED"


async def test_plugins_are_listed_with_all_that_they_declare(server: ServerProcess) -> None:
    """ListPlugins has every plugin with its schema, limits and metrics, those that cannot be used among them."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = plugins_pb2_grpc.PluginServiceStub(channel)
        plugins = {plugin.name: plugin for plugin in (await stub.ListPlugins(plugins_pb2.ListPluginsRequest())).plugins}
    assert {"image_info", "barcode", "ocr", "echo", "unmet"} <= set(plugins)
    echo = plugins["echo"]
    assert (echo.version, list(echo.mime_types)) == ("2.1.0", ["image/png", "image/jpeg"])
    assert echo.limits.timeout.seconds == 10
    assert echo.options_schema["properties"]["count"]["type"] == "integer"


async def test_the_server_tells_its_limits(client: Client) -> None:
    """GetServerInfo tells the version and the limits that callers need."""
    info = await client.server_info()
    assert (info.api, info.max_image_bytes, info.worker_limit) == ("runward.v1", 64 * 2**20, 6)
