"""What the client sends, and what it makes of the answers."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import runward
from runward.v1 import governance_pb2, jobs_pb2, plugins_pb2

PNG = b"\x89PNG\r\n\x1a\n"
TIME = Timestamp(seconds=1_700_000_000, nanos=123_456_000)


async def test_analyze_sends_what_it_is_given(server, rw, tmp_path):
    """Path, options, timeout, labels and request id arrive in the request."""
    path = tmp_path / "receipt.png"
    path.write_bytes(PNG)
    server.on("Analyze", lambda *_: jobs_pb2.AnalyzeResponse(job=server.job()))
    await rw.analyze(
        "ocr", path, options={"lang": "en", "max": 3}, timeout=2.5, labels={"tenant": "a"}, request_id="r-1"
    )
    (request,) = server.requests["Analyze"]
    assert request.payload.image == PNG
    assert MessageToDict(request, preserving_proto_field_name=True) == {
        "plugin": "ocr",
        "payload": {
            "image": "iVBORw0KGgo=",
            "mime_type": "image/png",
            "options": {"lang": "en", "max": 3.0},
        },
        "timeout": "2.500s",
        "request_id": "r-1",
        "labels": {"tenant": "a"},
    }


async def test_skip_cache_is_sent_where_it_is_asked_for(server, rw):
    """By analyze, submit and submit_many; by default it is not."""
    server.on("Analyze", lambda *_: jobs_pb2.AnalyzeResponse(job=server.job("SUCCESS")))
    server.on("SubmitJob", lambda *_: jobs_pb2.SubmitJobResponse(job=server.job("PENDING")))
    server.on("BatchSubmitJobs", lambda *_: jobs_pb2.BatchSubmitJobsResponse(results=[{"job": server.job("PENDING")}]))
    for skip in (False, True):
        await rw.analyze("ocr", PNG, skip_cache=skip)
        await rw.submit("ocr", PNG, skip_cache=skip)
        await rw.submit_many("ocr", [PNG], skip_cache=skip)
    for method in ("Analyze", "SubmitJob"):
        assert [request.skip_cache for request in server.requests[method]] == [False, True]
    assert [batch.requests[0].skip_cache for batch in server.requests["BatchSubmitJobs"]] == [False, True]


async def test_submit_sends_priority_and_queue_timeout(server, rw):
    """Times may be timedeltas; what is not given is not sent."""
    server.on("SubmitJob", lambda *_: jobs_pb2.SubmitJobResponse(job=server.job("PENDING")))
    job = await rw.submit("ocr", PNG, queue_timeout=timedelta(minutes=2), priority=-5)
    (request,) = server.requests["SubmitJob"]
    assert (request.priority, request.queue_timeout.seconds) == (-5, 120)
    assert not request.HasField("timeout")
    assert not request.payload.HasField("options")
    assert request.request_id
    assert job.status is runward.JobStatus.PENDING
    assert not job.status.terminal


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"timeout": float("nan")}, "TIMEOUT_INVALID"),
        ({"timeout": 1e300}, "TIMEOUT_INVALID"),
        ({"queue_timeout": float("inf")}, "INVALID_FIELD"),
        ({"priority": 2**40}, "INVALID_FIELD"),
        ({"request_id": "\ud800"}, "INVALID_FIELD"),
        ({"options": {"x": float("nan")}}, "OPTIONS_INVALID"),
    ],
)
async def test_impossible_arguments_are_refused_before_sending(server, rw, arguments, reason):
    """What cannot be put into a request is a ValidationError, and no call is made."""
    with pytest.raises(runward.ValidationError) as caught:
        await rw.submit("ocr", PNG, **arguments)
    assert caught.value.reason == reason
    assert server.requests == {}


async def test_negative_timeout_is_the_servers_to_refuse(server, rw):
    """The client does not repeat the server's rules."""
    server.on("Analyze", lambda *_: jobs_pb2.AnalyzeResponse(job=server.job()))
    await rw.analyze("ocr", PNG, timeout=-1)
    assert server.requests["Analyze"][0].timeout.seconds == -1


async def test_job_has_every_field_as_python_has_it(server, rw):
    """Times are UTC datetimes, numbers int, the rest frozen dataclasses."""
    sent = server.job(
        "SUCCESS",
        7,
        plugin_version="1.0.0",
        create_time=TIME,
        start_time=TIME,
        end_time=TIME,
        attempt=2,
        progress=jobs_pb2.Progress(fraction=0.5, message="reading"),
        labels={"a": "b"},
        request_id="r-1",
        priority=3,
        cached=True,
        output_digest="sha256:00",
        payload=jobs_pb2.PayloadInfo(image_digest="sha256:11", size_bytes=5_000_000_000, mime_type="image/png"),
        artifacts=[jobs_pb2.Artifact(name="mask", digest="sha256:22", size_bytes=9, mime_type="image/png")],
        retention=Duration(seconds=7200),
        retry_of="job-0",
        receipt=jobs_pb2.Receipt(document="{}", mac="ab", key_id="cd", sequence=4, chain_mac="ef"),
    )
    sent.result.update({"count": 3})
    server.on("GetJob", lambda *_: jobs_pb2.GetJobResponse(job=sent))
    job = await rw.get("job-1")
    time = datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert job == runward.Job(
        id="job-1",
        plugin="ocr",
        plugin_version="1.0.0",
        status=runward.JobStatus.SUCCESS,
        payload=runward.PayloadInfo("sha256:11", 5_000_000_000, "image/png", {}),
        result={"text": "hello", "count": 3},
        error=None,
        create_time=time,
        start_time=time,
        end_time=time,
        attempt=2,
        progress=runward.Progress(0.5, "reading"),
        labels={"a": "b"},
        request_id="r-1",
        priority=3,
        revision=7,
        cached=True,
        output_digest="sha256:00",
        artifacts=(runward.Artifact("mask", "sha256:22", 9, "image/png"),),
        retention=timedelta(hours=2),
        retry_of="job-0",
        receipt=runward.Receipt("{}", "ab", "cd", 4, "ef"),
    )
    with pytest.raises(AttributeError):
        job.plugin = "other"


async def test_failed_job_is_an_answer_of_get(server, rw):
    """A job that failed is no failed call: its error stands in the job."""
    server.on("GetJob", lambda *_: jobs_pb2.GetJobResponse(job=server.job("FAILED")))
    job = await rw.get("job-1")
    assert job.status.terminal
    assert job.result is None
    assert job.error == runward.ErrorInfo("PluginError", "PLUGIN_RAISED", "the plugin gave up", {}, "ocr", None)


async def test_failed_job_in_an_ok_analyze_raises(server, rw):
    """Analyze gives a job that went well, or raises, whichever way the server tells it."""
    server.on("Analyze", lambda *_: jobs_pb2.AnalyzeResponse(job=server.job("FAILED")))
    with pytest.raises(runward.PluginError, match="gave up"):
        await rw.analyze("ocr", PNG)


async def test_list_goes_over_all_pages(server, rw):
    """Pages are fetched as the iterator needs them, with the same filters."""

    def page(request, _context):
        number = int(request.page_token or 0)
        jobs = [server.job("FAILED", revision) for revision in (number * 2, number * 2 + 1)]
        return jobs_pb2.ListJobsResponse(
            jobs=[] if number == 1 else jobs, next_page_token=str(number + 1) * (number < 2)
        )

    server.on("ListJobs", page)
    zone = timezone(timedelta(hours=2))
    found = [
        job.revision
        async for job in rw.list(
            plugin="ocr",
            statuses=[runward.JobStatus.FAILED, "PENDING"],
            labels={"a": "b"},
            create_time_from=datetime(2024, 1, 1, 2, tzinfo=zone),
            page_size=2,
        )
    ]
    assert found == [0, 1, 4, 5]
    first, second, _ = server.requests["ListJobs"]
    assert (first.page_token, second.page_token) == ("", "1")
    assert MessageToDict(second, preserving_proto_field_name=True) == {
        "page_size": 2,
        "page_token": "1",
        "plugin": "ocr",
        "statuses": ["JOB_STATUS_FAILED", "JOB_STATUS_PENDING"],
        "labels": {"a": "b"},
        "create_time_from": "2024-01-01T00:00:00Z",
    }


@pytest.mark.parametrize("filters", [{"statuses": ["DONE"]}, {"create_time_from": datetime(2024, 1, 1)}])
async def test_filters_that_mean_nothing_are_refused(rw, filters):
    """A status that there is not, or a time without a zone, is refused before sending."""
    with pytest.raises(runward.ValidationError):
        _ = [job async for job in rw.list(**filters)]


async def test_cancel_gives_the_ended_job(server, rw):
    """Cancel answers with the job as it ended."""
    server.on("CancelJob", lambda *_: jobs_pb2.CancelJobResponse(job=server.job("FAILED")))
    assert (await rw.cancel("job-1")).status is runward.JobStatus.FAILED
    assert server.requests["CancelJob"][0].job_id == "job-1"


async def test_plugins_and_their_switches(server, rw):
    """Plugins come as dataclasses; a reason for disabling is sent."""
    sent = plugins_pb2.Plugin(
        name="ocr",
        state=plugins_pb2.PLUGIN_STATE_UNAVAILABLE,
        state_reason="being mended",
        mime_types=["image/*"],
        limits=plugins_pb2.PluginLimits(timeout=Duration(seconds=30), memory_bytes=2**33),
        metrics=plugins_pb2.PluginMetrics(success_count=3, p50_execution_duration=Duration(nanos=1_500_000)),
    )
    server.on("ListPlugins", lambda *_: plugins_pb2.ListPluginsResponse(plugins=[sent]))
    server.on("GetPlugin", lambda *_: plugins_pb2.GetPluginResponse(plugin=sent))
    server.on("EnablePlugin", lambda *_: plugins_pb2.EnablePluginResponse(plugin=sent))
    server.on("DisablePlugin", lambda *_: plugins_pb2.DisablePluginResponse(plugin=sent))
    (plugin,) = await rw.plugins()
    assert plugin == await rw.plugin("ocr") == await rw.enable("ocr") == await rw.disable("ocr", "being mended")
    assert plugin.state is runward.PluginState.UNAVAILABLE
    assert (plugin.limits.timeout, plugin.limits.memory_bytes) == (timedelta(seconds=30), 2**33)
    assert plugin.metrics.p50_execution_duration == timedelta(milliseconds=1.5)
    assert plugin.metrics.last_used_time is None
    assert server.requests["DisablePlugin"][0].reason == "being mended"


async def test_server_info_and_verify(server, rw):
    """The remaining answers come as dataclasses too."""
    server.on("GetServerInfo", lambda *_: jobs_pb2.GetServerInfoResponse(version="0.1.0", start_time=TIME))
    response = governance_pb2.VerifyJobResponse(verdict=governance_pb2.VERDICT_DIVERGED, path="$.n")
    response.recorded.number_value = 2
    server.on("VerifyJob", lambda *_: response)
    info = await rw.server_info()
    assert (info.version, info.start_time.tzinfo) == ("0.1.0", UTC)
    assert await rw.verify("job-1") == runward.Verification(runward.Verdict.DIVERGED, "$.n", 2, None, "")


async def test_governance_report(server, rw):
    """The report on the server's code comes whole; a verdict that this client does not know asks for an update."""
    digest = "sha256:" + "1" * 64
    response = governance_pb2.GetGovernanceReportResponse(
        attestation=governance_pb2.ATTESTATION_VIOLATED,
        reason="a.py is not what was built",
        scanner_version="1.0",
        rules=["RWD000", "RWD001"],
        code_digest=digest,
        plugin_code_digests={"ocr": digest, "barcode": digest},
        file_digests={"b.py": digest, "a.py": digest},
        scan_time=TIME,
    )
    response.changes.add(path="a.py", kind=governance_pb2.FILE_CHANGE_KIND_MODIFIED, expected_digest="x")
    finding = response.findings.add(rule="RWD001", path="b.py", line=3, column=5, message="no")
    finding.steps.add(path="b.py", line=1, column=2, note="here")
    server.on("GetGovernanceReport", lambda *_: response)
    report = await rw.governance_report()
    assert (report.attestation, report.attestation.holds) == (runward.Attestation.VIOLATED, False)
    assert (report.rules, report.code_digest, report.scan_time.tzinfo) == (("RWD000", "RWD001"), digest, UTC)
    assert report.changes == (runward.FileChange("a.py", runward.FileChangeKind.MODIFIED, "x", ""),)
    step = runward.FindingStep("b.py", 1, 2, "here")
    assert report.findings == (runward.Finding("RWD001", "b.py", 3, 5, "no", (step,)),)
    assert list(report.plugin_code_digests) == ["barcode", "ocr"]
    assert list(report.file_digests) == ["a.py", "b.py"]
    response.attestation = 99
    with pytest.raises(runward.RunwardError, match="update runward"):
        await rw.governance_report()


def test_the_enums_of_governance_are_those_of_the_proto():
    """Every verdict and every kind of change has its member, and there is none besides."""
    for kind, sent in (
        (runward.Attestation, governance_pb2.Attestation),
        (runward.FileChangeKind, governance_pb2.FileChangeKind),
    ):
        first, *others = sent.keys()
        prefix = first.removesuffix("UNSPECIFIED")
        assert [name.removeprefix(prefix) for name in others] == [member.value for member in kind]


async def test_large_messages_pass(server, rw):
    """A photograph of 20 MB goes out, and an answer past gRPC's default of 4 MiB comes in."""
    image = PNG + bytes(20_000_000)
    answer = server.job()
    answer.result.update({"blob": "x" * 6_000_000})

    def refuse_or_answer(request, context):
        return jobs_pb2.AnalyzeResponse(job=answer) if len(request.payload.image) == len(image) else context.abort()

    server.on("Analyze", refuse_or_answer)
    job = await rw.analyze("ocr", image)
    assert len(job.result["blob"]) == 6_000_000


async def test_cancelled_analyze_is_cancelled_on_the_server(server, rw):
    """Cancelling the task hangs up, so that the server can end the run."""
    hang = server.hang()
    server.on("Analyze", hang.unary)
    call = asyncio.create_task(rw.analyze("ocr", PNG))
    assert await asyncio.to_thread(hang.entered.wait, 30)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(hang.left.wait, 30)


async def test_closing_ends_calls_in_flight_with_an_error(server, rw):
    """A call under which the client is closed raises a clear error, not a cancellation that nobody asked for."""
    hang = server.hang()
    server.on("Analyze", hang.unary)
    call = asyncio.create_task(rw.analyze("ocr", PNG))
    assert await asyncio.to_thread(hang.entered.wait, 30)
    await rw.close()
    with pytest.raises(runward.TransportError, match="closed"):
        await call
    with pytest.raises(runward.TransportError, match="closed"):
        await rw.server_info()


async def test_client_is_used_inside_its_block_only(server):
    """A client that was not opened, or is opened twice, says how to use it."""
    client = runward.connect(server.target)
    with pytest.raises(runward.RunwardError, match="async with"):
        await client.server_info()
    async with client:
        with pytest.raises(runward.RunwardError, match="opened before"):
            await client.__aenter__()


async def test_health_speaks_the_standard_protocol():
    """The standard health servicer understands the client, for the server and for its plugins."""
    servicer = health.aio.HealthServicer()
    await servicer.set("runward.plugin.ocr", health_pb2.HealthCheckResponse.NOT_SERVING)
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with runward.connect(f"127.0.0.1:{port}") as rw:
            assert await rw.health() is runward.HealthStatus.SERVING
            assert await rw.health("ocr") is runward.HealthStatus.NOT_SERVING
            assert await rw.health("absent") is runward.HealthStatus.SERVICE_UNKNOWN
    finally:
        await server.stop(None)
