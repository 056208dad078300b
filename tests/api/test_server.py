"""The real gRPC server: how calls are refused, how jobs fail, how streams and callers end."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runward.v1 import governance_pb2, governance_pb2_grpc, jobs_pb2, plugins_pb2
from runward_service.domain.job import ANONYMOUS
from runward_service.domain.limits import WAITING_CALLS
from tests.api.calls import METHODS, payload, refused, serving
from tests.harness.service import PNG, ended, query, ready
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.descriptor import MethodDescriptor

    from tests.api.calls import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")
CODES = grpc.StatusCode
UNIMPLEMENTED = {"ReloadPlugin"}
"""Methods of later releases, and no others."""
NO_JOB = "00000000-0000-7000-8000-000000000000"
PAYLOAD = payload()
UNKNOWN = jobs_pb2.Payload(image_digest="sha256:" + "0" * 64, mime_type="image/png")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A server with well-behaved and failing plugins, and one that cannot be used."""
    folder = tmp_path_factory.mktemp("data")
    plugins = ("Echo", "Fails", "Puppet", "SinglePuppet", "SetupFails")
    one = dataclasses.replace(WAITING_CALLS, count=1)
    async with serving(folder, *plugins, waiting_calls=one) as running:
        await running.service.registry.all_described()
        for plugin in ("echo", "puppet", "single_puppet"):
            await ready(running.service, plugin)
        await running.service.catalog.come_up("setup_fails")
        yield running


def stored(api: Api) -> list[tuple[Any, ...]]:
    """How much the store holds."""
    return query(api.service, "SELECT (SELECT count(*) FROM job), count(*) FROM image")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x07" * 9], ids=["cut", "length", "tags"])
async def test_malformed_bytes(api: Api, method: MethodDescriptor, raw: bytes) -> None:
    """On every method, bytes that are no message get INVALID_ARGUMENT and an envelope; a stream is not even read."""
    before = stored(api)
    refusal = await refused(api.raw(method, raw))
    assert (refusal.code, refusal.reason) == (CODES.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert refusal.type == "VALIDATION_ERROR"
    assert stored(api) == before


@pytest.mark.parametrize("method", ["Check", "Watch"])
async def test_malformed_bytes_to_health(api: Api, method: str) -> None:
    """The standard health service refuses them in the same way."""
    path = f"/grpc.health.v1.Health/{method}"
    call = (
        api.channel.unary_unary(path)(b"\xff")
        if method == "Check"
        else anext(aiter(api.channel.unary_stream(path)(b"\xff")))
    )
    refusal = await refused(call)
    assert (refusal.code, refusal.reason) == (CODES.INVALID_ARGUMENT, "MALFORMED_REQUEST")


async def test_text_that_is_no_utf8(api: Api) -> None:
    """A string field with other bytes is malformed too."""
    method = next(method for method in METHODS if method.name == "GetJob")
    assert (await refused(api.raw(method, b"\x0a\x02\xc3\x28"))).reason == "MALFORMED_REQUEST"


@pytest.mark.parametrize("method", [m for m in METHODS if m.name in UNIMPLEMENTED], ids=lambda method: method.name)
async def test_methods_of_later_releases(api: Api, method: MethodDescriptor) -> None:
    """UNIMPLEMENTED with an envelope that names the method."""
    refusal = await refused(api.raw(method, b""))
    assert (refusal.code, refusal.reason) == (CODES.UNIMPLEMENTED, "NOT_IMPLEMENTED")
    assert (refusal.type, refusal.details) == ("EXECUTION_ERROR", {"method": method.name})


@pytest.mark.parametrize("method", [m for m in METHODS if m.name not in UNIMPLEMENTED], ids=lambda method: method.name)
async def test_all_other_methods_are_there(api: Api, method: MethodDescriptor) -> None:
    """An empty request is answered or refused by a rule of the method, never UNIMPLEMENTED or INTERNAL."""
    answered = {"ListJobs", "WatchJobs", "GetServerInfo", "ListPlugins", "GetGovernanceReport", "BatchSubmitJobs"}
    answered.add("FindMissingBlobs")
    if method.name in answered:
        assert isinstance(await api.raw(method, b""), bytes)
    else:
        assert (await refused(api.raw(method, b""))).code is CODES.INVALID_ARGUMENT


REFUSALS: list[tuple[str, dict[str, Any], grpc.StatusCode, str]] = [
    ("plugin", {"plugin": ""}, CODES.INVALID_ARGUMENT, "INVALID_FIELD"),
    ("unknown", {"plugin": "nothing"}, CODES.NOT_FOUND, "PLUGIN_NOT_FOUND"),
    ("unusable", {"plugin": "setup_fails"}, CODES.FAILED_PRECONDITION, "PLUGIN_UNAVAILABLE"),
    ("no payload", {"payload": None}, CODES.INVALID_ARGUMENT, "IMAGE_MISSING"),
    ("no image", {"payload": payload(b"")}, CODES.INVALID_ARGUMENT, "IMAGE_MISSING"),
    ("no type", {"payload": payload(PNG, "")}, CODES.INVALID_ARGUMENT, "MIME_TYPE_MISSING"),
    ("text", {"payload": payload(b"some text")}, CODES.INVALID_ARGUMENT, "MIME_TYPE_MISMATCH"),
    ("gif", {"payload": payload(PNG, "image/gif")}, CODES.INVALID_ARGUMENT, "MIME_TYPE_UNSUPPORTED"),
    ("options", {"payload": payload(count=-1)}, CODES.INVALID_ARGUMENT, "OPTIONS_INVALID"),
    ("too large", {"payload": payload(PNG + bytes(64 << 20))}, CODES.INVALID_ARGUMENT, "IMAGE_TOO_LARGE"),
    ("timeout", {"timeout": Duration(seconds=11)}, CODES.INVALID_ARGUMENT, "TIMEOUT_INVALID"),
    ("negative", {"timeout": Duration(seconds=-1)}, CODES.INVALID_ARGUMENT, "TIMEOUT_INVALID"),
    ("no digest", {"payload": jobs_pb2.Payload(image_digest="sha256:x")}, CODES.INVALID_ARGUMENT, "INVALID_FIELD"),
    ("unknown digest", {"payload": UNKNOWN}, CODES.FAILED_PRECONDITION, "BLOB_NOT_FOUND"),
    ("labels", {"labels": {"": "x"}}, CODES.INVALID_ARGUMENT, "INVALID_FIELD"),
    ("request id", {"request_id": "x" * 129}, CODES.INVALID_ARGUMENT, "INVALID_FIELD"),
]


@pytest.mark.parametrize("method", ["Analyze", "SubmitJob"])
@pytest.mark.parametrize(("fields", "code", "reason"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
async def test_a_request_that_is_not_accepted(
    api: Api, method: str, fields: dict[str, Any], code: grpc.StatusCode, reason: str
) -> None:
    """Its code, a full envelope, no RetryInfo (trying again does not help), no job, no image."""
    before = stored(api)
    kind = jobs_pb2.AnalyzeRequest if method == "Analyze" else jobs_pb2.SubmitJobRequest
    request = kind(**{"plugin": "echo", "payload": PAYLOAD, **fields})
    refusal = await refused(getattr(api.jobs, method)(request))
    assert (refusal.code, refusal.reason, refusal.retry_seconds) == (code, reason, None)
    assert "job_id" not in refusal.metadata
    assert refusal.message
    assert stored(api) == before


@pytest.mark.parametrize("method", ["GetJob", "CancelJob", "WatchJob"])
async def test_a_job_that_is_not_there(api: Api, method: str) -> None:
    """NOT_FOUND for an unknown id, INVALID_ARGUMENT for none."""
    call = getattr(api.jobs, method)
    kind = getattr(jobs_pb2, f"{method}Request")

    def begin(job_id: str) -> Any:
        begun = call(kind(job_id=job_id))
        return anext(aiter(begun)) if method == "WatchJob" else begun

    refusal = await refused(begin(NO_JOB))
    assert (refusal.code, refusal.reason, refusal.details) == (CODES.NOT_FOUND, "JOB_NOT_FOUND", {"job_id": NO_JOB})
    refusal = await refused(begin(""))
    assert (refusal.code, refusal.reason, refusal.details) == (
        CODES.INVALID_ARGUMENT,
        "INVALID_FIELD",
        {"field": "job_id"},
    )


@pytest.mark.parametrize("method", ["GetPlugin", "EnablePlugin", "DisablePlugin"])
async def test_a_plugin_that_is_not_there(api: Api, method: str) -> None:
    """NOT_FOUND for an unknown name, INVALID_ARGUMENT for none."""
    call, kind = getattr(api.plugins, method), getattr(plugins_pb2, f"{method}Request")
    refusal = await refused(call(kind(plugin="nothing")))
    assert (refusal.code, refusal.reason) == (CODES.NOT_FOUND, "PLUGIN_NOT_FOUND")
    assert refusal.details["plugins"] == ["echo", "fails", "puppet", "setup_fails", "single_puppet"]
    refusal = await refused(call(kind()))
    assert (refusal.code, refusal.reason) == (CODES.INVALID_ARGUMENT, "INVALID_FIELD")


FAILURES = {
    "plugin_error": (CODES.INTERNAL, "PLUGIN_RAISED", "PLUGIN_ERROR", {"lamp": 7.0}),
    "raise": (CODES.INTERNAL, "PLUGIN_RAISED", "PLUGIN_ERROR", {}),
    "invalid_input": (CODES.INVALID_ARGUMENT, "INPUT_REJECTED", "VALIDATION_ERROR", {"page": 1.0}),
}


@pytest.mark.parametrize(("how", "expected"), FAILURES.items())
async def test_an_analyze_that_fails(api: Api, how: str, expected: tuple[Any, ...]) -> None:
    """Its status names the job, whose GetJob is OK and holds the same envelope; of a secret there is no trace."""
    refusal = await refused(api.jobs.Analyze(jobs_pb2.AnalyzeRequest(plugin="fails", payload=payload(how=how))))
    assert (refusal.code, refusal.reason, refusal.type, refusal.details) == expected
    assert refusal.metadata["plugin"] == refusal.plugin == "fails"
    found = await api.jobs.GetJob(jobs_pb2.GetJobRequest(job_id=refusal.metadata["job_id"]))
    assert found.job.status == jobs_pb2.JOB_STATUS_FAILED
    assert found.job.error.error.message == refusal.message
    assert b"hunter2" not in found.SerializeToString()


async def test_a_huge_error_crosses_the_wire(api: Api) -> None:
    """A plugin's error of any length and script reaches the caller typed, in trailers that clients take; the job keeps
    its first 2,000 characters.
    """
    for text in ("\U0001f600" * 50_000, "x" * 200_000, "\n%\x01" * 10_000):
        async with Stage() as stage:
            call = asyncio.ensure_future(
                refused(api.jobs.Analyze(jobs_pb2.AnalyzeRequest(plugin="puppet", payload=payload(**stage.options))))
            )
            (await stage.enter()).refuse(text, more=text)
            refusal = await call
        assert (refusal.code, refusal.reason) == (CODES.INTERNAL, "PLUGIN_RAISED")
        assert refusal.trailer_bytes < 8192
        found = await api.jobs.GetJob(jobs_pb2.GetJobRequest(job_id=refusal.metadata["job_id"]))
        assert found.job.error.error.message == text[:2000]


async def test_a_timeout_and_a_cancel(api: Api) -> None:
    """The plugin's run over its time is DEADLINE_EXCEEDED, a cancelled one CANCELLED, for the caller who waits."""
    async with Stage() as stage:
        request = jobs_pb2.AnalyzeRequest(
            plugin="puppet", payload=payload(**stage.options), timeout=Duration(nanos=50_000_000)
        )
        refusal = await refused(api.jobs.Analyze(request))
        assert (refusal.code, refusal.reason) == (CODES.DEADLINE_EXCEEDED, "TIMEOUT")
        await stage.enter()
        request = jobs_pb2.AnalyzeRequest(
            plugin="puppet", payload=payload(**stage.options), request_id="to be cancelled"
        )
        call = asyncio.ensure_future(refused(api.jobs.Analyze(request)))
        visit = await stage.enter()
        await api.service.store.flush()
        answer = await api.jobs.CancelJob(jobs_pb2.CancelJobRequest(job_id=visit.job_id))
        assert answer.job.error.error == await jobs_error(api, visit.job_id)
        refusal = await call
        assert (refusal.code, refusal.reason) == (CODES.CANCELLED, "CANCELLED")


async def jobs_error(api: Api, job_id: str) -> Any:
    """A failed job's error as GetJob gives it."""
    return (await api.jobs.GetJob(jobs_pb2.GetJobRequest(job_id=job_id))).job.error.error


async def test_a_caller_that_goes(api: Api) -> None:
    """A caller who hangs up cancels the job: its process is killed and it ends CANCELLED."""
    async with Stage() as stage:
        request = jobs_pb2.AnalyzeRequest(plugin="puppet", payload=payload(**stage.options), request_id="left")
        call = api.jobs.Analyze(request)
        visit = await stage.enter()
        await api.service.store.flush()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await visit.gone()
        job = await ended(api.service, visit.job_id)
    assert job.error is not None
    assert job.error.reason.value == "CANCELLED"


async def test_a_caller_whose_deadline_passes(api: Api) -> None:
    """The job of a caller whose deadline passes is cancelled: its process is killed and it ends CANCELLED."""
    async with Stage() as stage:
        seconds = 0.5
        while not stage.visits:  # a slow machine may not have begun the run by then
            seconds *= 2
            request = jobs_pb2.AnalyzeRequest(plugin="puppet", payload=payload(**stage.options))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await api.jobs.Analyze(request, timeout=seconds)
            assert caught.value.code() is CODES.DEADLINE_EXCEEDED
        visit = await stage.enter()
        await visit.gone()
        job = await ended(api.service, visit.job_id)
    assert job.error is not None
    assert job.error.reason.value == "CANCELLED"


async def test_a_full_queue(api: Api) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo."""
    async with Stage() as stage:
        request = jobs_pb2.AnalyzeRequest(plugin="single_puppet", payload=payload(**stage.options))
        first = api.jobs.Analyze(request)
        first_answer = asyncio.ensure_future(first)  # type: ignore[arg-type]
        visit = await stage.enter()
        second = asyncio.ensure_future(api.jobs.Analyze(request))  # type: ignore[arg-type]
        while len(api.service.running.jobs) < 2:
            await api.jobs.GetServerInfo(jobs_pb2.GetServerInfoRequest())
        refusal = await refused(api.jobs.Analyze(request))
        assert (refusal.code, refusal.reason, refusal.type) == (
            CODES.RESOURCE_EXHAUSTED,
            "QUEUE_FULL",
            "EXECUTION_ERROR",
        )
        assert refusal.retry_seconds == 1.0
        visit.give()
        (await stage.enter()).give()
        assert (await first_answer).job.status == (await second).job.status == jobs_pb2.JOB_STATUS_SUCCESS


async def test_a_request_id_with_another_payload(api: Api) -> None:
    """ALREADY_EXISTS, naming the job that has the id."""
    request = {"plugin": "echo", "request_id": "taken"}
    first = await api.jobs.SubmitJob(jobs_pb2.SubmitJobRequest(payload=payload(count=1), **request))
    refusal = await refused(api.jobs.SubmitJob(jobs_pb2.SubmitJobRequest(payload=payload(count=2), **request)))
    assert (refusal.code, refusal.reason) == (CODES.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert refusal.details == {"job_id": first.job.id}


async def test_a_submit_a_watch_and_a_list(api: Api) -> None:
    """SubmitJob answers PENDING, WatchJob streams every status and ends OK, only its last message holds the result."""
    answer = await api.jobs.SubmitJob(jobs_pb2.SubmitJobRequest(plugin="echo", payload=payload(count=2)))
    assert answer.job.status == jobs_pb2.JOB_STATUS_PENDING
    watch = jobs_pb2.WatchJobRequest(job_id=answer.job.id)
    updates = [message.job async for message in api.jobs.WatchJob(watch)]
    assert [update.status for update in updates] == [1, 2, 3]
    assert [update.HasField("result") for update in updates] == [False, False, True]
    assert updates[-1] == (await api.jobs.GetJob(jobs_pb2.GetJobRequest(job_id=answer.job.id))).job
    watch.after_revision = updates[1].revision
    assert [message.job async for message in api.jobs.WatchJob(watch)] == updates[2:]
    watch.after_revision = updates[-1].revision
    assert [message async for message in api.jobs.WatchJob(watch)] == []
    listed = await api.jobs.ListJobs(jobs_pb2.ListJobsRequest(page_size=1, plugin="echo"))
    assert [job.id for job in listed.jobs] == [answer.job.id]
    assert not listed.jobs[0].HasField("result")
    assert listed.revision >= updates[-1].revision


async def test_a_watch_from_nowhere(api: Api) -> None:
    """Ahead of the log: OUT_OF_RANGE with its end; a negative revision: INVALID_ARGUMENT."""
    answer = await api.jobs.Analyze(jobs_pb2.AnalyzeRequest(plugin="echo", payload=PAYLOAD))
    watch = jobs_pb2.WatchJobRequest(job_id=answer.job.id, after_revision=2**62)
    refusal = await refused(anext(aiter(api.jobs.WatchJob(watch))))
    assert (refusal.code, refusal.reason) == (CODES.OUT_OF_RANGE, "REVISION_AHEAD")
    assert refusal.details["last_revision"] >= answer.job.revision
    watch.after_revision = -1
    assert (await refused(anext(aiter(api.jobs.WatchJob(watch))))).code is CODES.INVALID_ARGUMENT


async def test_list_then_watch(api: Api) -> None:
    """What ListJobs does not show yet, WatchJobs from its revision sends, results left out; a bookmark tells that all
    is sent.
    """
    before = await api.jobs.ListJobs(jobs_pb2.ListJobsRequest(labels={"run": "gapless"}))
    assert list(before.jobs) == []
    answer = await api.jobs.Analyze(jobs_pb2.AnalyzeRequest(plugin="echo", payload=PAYLOAD, labels={"run": "gapless"}))
    watch = jobs_pb2.WatchJobsRequest(labels={"run": "gapless"}, after_revision=before.revision)
    messages = []
    stream = api.jobs.WatchJobs(watch)
    async for message in stream:
        messages.append(message)
        if message.WhichOneof("event") == "bookmark":
            break
    stream.cancel()
    assert [message.job.status for message in messages[:-1]] == [1, 2, 3]
    assert {message.job.id for message in messages[:-1]} == {answer.job.id}
    assert not any(message.job.HasField("result") for message in messages)
    assert messages[-1].bookmark.revision >= answer.job.revision


async def test_many_jobs_watched_from_nowhere(api: Api) -> None:
    """Ahead of the log: OUT_OF_RANGE; below -1, or with a status that there is not: INVALID_ARGUMENT."""
    refusal = await refused(anext(aiter(api.jobs.WatchJobs(jobs_pb2.WatchJobsRequest(after_revision=2**62)))))
    assert (refusal.code, refusal.reason) == (CODES.OUT_OF_RANGE, "REVISION_AHEAD")
    for watch in (jobs_pb2.WatchJobsRequest(after_revision=-2), jobs_pb2.WatchJobsRequest(statuses=[9])):
        assert (await refused(anext(aiter(api.jobs.WatchJobs(watch))))).code is CODES.INVALID_ARGUMENT


async def test_pages_by_token(api: Api) -> None:
    """Each page's token leads to the next, to the end; with another query it is INVALID_ARGUMENT."""
    jobs = []
    for _ in range(3):
        request = jobs_pb2.AnalyzeRequest(plugin="echo", payload=PAYLOAD, labels={"run": "token"})
        jobs.append((await api.jobs.Analyze(request)).job.id)
    found, token = [], ""
    for _ in range(3):
        page = await api.jobs.ListJobs(jobs_pb2.ListJobsRequest(page_size=1, page_token=token, labels={"run": "token"}))
        found += [job.id for job in page.jobs]
        token = page.next_page_token
        if token:
            other = jobs_pb2.ListJobsRequest(page_size=1, page_token=token)
            refusal = await refused(api.jobs.ListJobs(other))
            assert (refusal.code, refusal.details) == (CODES.INVALID_ARGUMENT, {"field": "page_token"})
    assert (found, token) == (jobs[::-1], "")


async def test_plugins_as_they_are(api: Api) -> None:
    """ListPlugins and GetPlugin tell name, version, state, types, schema, limits and counters, also of the unusable."""
    answer = await api.plugins.ListPlugins(plugins_pb2.ListPluginsRequest())
    plugins = {plugin.name: plugin for plugin in answer.plugins}
    assert [plugin.name for plugin in answer.plugins] == sorted(plugins)
    echo = (await api.plugins.GetPlugin(plugins_pb2.GetPluginRequest(plugin="echo"))).plugin
    assert (echo.version, list(echo.mime_types)) == ("2.1.0", ["image/png", "image/jpeg"])
    assert echo.options_schema["additionalProperties"] is False
    assert (echo.limits.timeout.seconds, echo.limits.concurrency, echo.limits.max_attempts) == (10, 1, 2)
    success, failed = query(
        api.service, "SELECT sum(status = 3), sum(status = 4) FROM job WHERE plugin = 'echo' AND status > 2"
    )[0]
    assert (echo.metrics.success_count, echo.metrics.error_count) == (success, failed)
    broken = plugins["setup_fails"]
    assert broken.state == plugins_pb2.PLUGIN_STATE_UNAVAILABLE
    assert "setup failed: RuntimeError" in broken.state_reason
    assert "no model here" not in broken.state_reason


async def test_health_of_all(api: Api) -> None:
    """List tells the status of the server, its services and every plugin at once."""
    health = health_pb2_grpc.HealthStub(api.channel)
    statuses = (await health.List(health_pb2.HealthListRequest())).statuses
    told = {name: status.status for name, status in statuses.items()}
    assert told[""] == told["runward.v1.ExecutionService"] == told["runward.plugin.echo"] == 1
    assert told["runward.plugin.setup_fails"] == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health(api: Api) -> None:
    """The server and usable plugins are SERVING, unusable and disabled ones NOT_SERVING, unknown ones NOT_FOUND;
    FAILED is no matter of health.
    """
    health = health_pb2_grpc.HealthStub(api.channel)

    async def check(service: str) -> int:
        return (await health.Check(health_pb2.HealthCheckRequest(service=service))).status

    serving_, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    await refused(api.jobs.Analyze(jobs_pb2.AnalyzeRequest(plugin="fails", payload=payload(how="raise"))))
    assert (await api.service.registry.resolve("fails")).state.value == "FAILED"
    for name in ("", "runward.v1.ExecutionService", "runward.plugin.echo", "runward.plugin.fails"):
        assert await check(name) == serving_, name
    assert await check("runward.plugin.setup_fails") == not_serving
    watch = health.Watch(health_pb2.HealthCheckRequest(service="runward.plugin.echo"))
    assert (await watch.read()).status == serving_
    await api.plugins.DisablePlugin(plugins_pb2.DisablePluginRequest(plugin="echo", reason="test"))
    assert (await watch.read()).status == not_serving
    await api.plugins.EnablePlugin(plugins_pb2.EnablePluginRequest(plugin="echo"))
    assert (await watch.read()).status == serving_
    watch.cancel()
    for name in ("runward.plugin.nothing", "nothing"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(name)
        assert caught.value.code() is CODES.NOT_FOUND


async def test_a_server_that_is_no_longer_attested(tmp_path_factory: pytest.TempPathFactory) -> None:
    """From the moment that its code is found to be another, health is NOT_SERVING, for a watcher too, new work is
    refused for good (no RetryInfo), and what is stored can still be read.
    """
    async with serving(tmp_path_factory.mktemp("data"), "Echo") as api:
        done = await api.jobs.Analyze(jobs_pb2.AnalyzeRequest(plugin="echo", payload=PAYLOAD))
        health = health_pb2_grpc.HealthStub(api.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        file = __file__.replace("test_server.py", "nothing.py")
        assert "restart the server" in api.service.attestation.check_worker("echo", {file: "sha256:0"})
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        for method in (api.jobs.Analyze, api.jobs.SubmitJob):
            kind = jobs_pb2.AnalyzeRequest if method is api.jobs.Analyze else jobs_pb2.SubmitJobRequest
            refusal = await refused(method(kind(plugin="echo", payload=PAYLOAD)))
            assert (refusal.code, refusal.reason, refusal.retry_seconds) == (
                CODES.FAILED_PRECONDITION,
                "NOT_ATTESTED",
                None,
            )
            assert refusal.details == {"attestation": "VIOLATED"}
        found = (await api.jobs.GetJob(jobs_pb2.GetJobRequest(job_id=done.job.id))).job
        found.ClearField("receipt")
        assert found == done.job
        stub = governance_pb2_grpc.GovernanceServiceStub(api.channel)
        report = await stub.GetGovernanceReport(governance_pb2.GetGovernanceReportRequest())
        assert report.attestation == governance_pb2.ATTESTATION_VIOLATED
        assert [(change.path, change.actual_digest) for change in report.changes] == [(file, "sha256:0")]
        plugin = (await api.plugins.GetPlugin(plugins_pb2.GetPluginRequest(plugin="echo"))).plugin
        assert report.plugin_code_digests == {"echo": plugin.code_digest}


async def test_a_server_that_drains(tmp_path_factory: pytest.TempPathFactory) -> None:
    """New work gets UNAVAILABLE with RetryInfo and health says NOT_SERVING, while what runs may end and be read."""
    async with serving(tmp_path_factory.mktemp("data"), "Puppet") as api, Stage() as stage:
        request = jobs_pb2.AnalyzeRequest(plugin="puppet", payload=payload(**stage.options))
        running = asyncio.ensure_future(api.jobs.Analyze(request))  # type: ignore[arg-type]
        visit = await stage.enter()
        api.health.stop_serving()
        drain = asyncio.ensure_future(api.service.scheduler.drain(60))
        await asyncio.sleep(0)
        for method in (api.jobs.Analyze, api.jobs.SubmitJob):
            kind = jobs_pb2.AnalyzeRequest if method is api.jobs.Analyze else jobs_pb2.SubmitJobRequest
            refusal = await refused(method(kind(plugin="puppet", payload=payload(**stage.options))))
            assert (refusal.code, refusal.reason, refusal.retry_seconds) == (CODES.UNAVAILABLE, "DRAINING", 1.0)
        health = health_pb2_grpc.HealthStub(api.channel)
        status = (await health.Check(health_pb2.HealthCheckRequest(service=""))).status
        assert status == health_pb2.HealthCheckResponse.NOT_SERVING
        visit.give()
        assert (await running).job.status == jobs_pb2.JOB_STATUS_SUCCESS
        await drain
        assert (await api.service.analysis.get_job(visit.job_id, ANONYMOUS)).status.terminal


async def test_a_refusal_leaves_nothing_to_collect(api: Api) -> None:
    """The server ends a refused call and a refused stream without an exception that holds itself: under a flood of
    refusals the garbage collector would stop everybody.
    """
    gc.collect()
    kept = len(gc.garbage)
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            assert (await refused(api.jobs.GetJob(jobs_pb2.GetJobRequest(job_id=NO_JOB)))).code is CODES.NOT_FOUND
            watch = aiter(api.jobs.WatchJob(jobs_pb2.WatchJobRequest(job_id=NO_JOB)))
            assert (await refused(anext(watch))).code is CODES.NOT_FOUND
        gc.collect()
        found = gc.garbage[kept:]
    finally:
        gc.set_debug(0)
        del gc.garbage[kept:]
    # Reflection is not ours and aborts its calls; one of an earlier test may be found here.
    assert len([one for one in found if isinstance(one, grpc.aio.AbortError)]) <= 1
