"""The commands that store, follow and switch, against a scripted server."""

import json
from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration

from runward.v1 import governance_pb2, jobs_pb2, plugins_pb2


def test_submit_tells_how_to_follow(server, run, image):
    """A stored job is shown with its id; --json prints it as a document."""
    server.on("SubmitJob", lambda *_: jobs_pb2.SubmitJobResponse(job=server.job("PENDING")))
    done = run("submit", "ocr", image, "--priority", "5", "--queue-timeout", "60")
    assert done.exit_code == 0
    assert "PENDING" in done.stdout
    assert "runward jobs watch job-1" in done.stderr
    request = server.requests["SubmitJob"][0]
    assert (request.priority, request.queue_timeout.seconds) == (5, 60)
    assert json.loads(run("submit", "ocr", image, "--json").stdout)["id"] == "job-1"


@pytest.mark.parametrize(("last", "code"), [("SUCCESS", 0), ("FAILED", 1)])
def test_submit_watch_follows_to_the_end(server, run, image, last, code):
    """Every change is told, and the exit code is that of the job's end."""
    server.on("SubmitJob", lambda *_: jobs_pb2.SubmitJobResponse(job=server.job("PENDING")))

    def updates(*_):
        for revision, status in enumerate(("PENDING", "RUNNING", last), start=1):
            yield jobs_pb2.WatchJobResponse(job=server.job(status, revision))

    server.on("WatchJob", updates)
    done = run("submit", "ocr", image, "--watch")
    assert done.exit_code == code
    assert all(word in done.stdout for word in ("PENDING", "RUNNING", last))
    lines = [json.loads(line) for line in run("submit", "ocr", image, "--watch", "--json").stdout.splitlines()]
    assert [line["status"] for line in lines] == ["PENDING", "RUNNING", last]
    assert {line["file"] for line in lines} == {str(image)}
    assert run("jobs", "watch", "job-1").exit_code == code
    if last == "FAILED":
        assert lines[-1]["error"]["error"]["type"] == "PluginError"


def test_jobs_list_get_cancel(server, run):
    """Lists are documents with the proto's field; a failed job is no failure of looking at it."""
    server.on("ListJobs", lambda *_: jobs_pb2.ListJobsResponse(jobs=[server.job("FAILED"), server.job("PENDING")]))
    server.on("GetJob", lambda *_: jobs_pb2.GetJobResponse(job=server.job("FAILED")))
    server.on("CancelJob", lambda *_: jobs_pb2.CancelJobResponse(job=server.job("FAILED")))
    listed = run("jobs", "list", "--json", "--status", "failed", "--label", "a=b", "--limit", 1, "--from", "2024-01-01")
    assert [job["status"] for job in json.loads(listed.stdout)["jobs"]] == ["FAILED"]
    request = server.requests["ListJobs"][0]
    assert (list(request.statuses), request.labels, request.page_size) == ([4], {"a": "b"}, 1)
    assert request.create_time_from.seconds > 0
    assert "PLUGIN_RAISED" in run("jobs", "list").stdout
    shown = run("jobs", "get", "job-1")
    assert shown.exit_code == 0
    assert "the plugin gave up" in shown.stdout
    assert json.loads(run("jobs", "cancel", "job-1", "--json").stdout)["status"] == "FAILED"


def test_plugins_commands(server, run):
    """Plugins are listed, shown with their options, and switched."""
    sent = plugins_pb2.Plugin(
        name="ocr",
        version="1.0.0",
        description="Reads text.",
        state=plugins_pb2.PLUGIN_STATE_INITIALIZED,
        limits=plugins_pb2.PluginLimits(timeout=Duration(seconds=30), memory_bytes=2**31),
        metrics=plugins_pb2.PluginMetrics(p50_execution_duration=Duration(nanos=1_500_000)),
    )
    sent.options_schema.update({"properties": {"lang": {"type": "string", "default": "en", "description": "Tongue."}}})
    server.on("ListPlugins", lambda *_: plugins_pb2.ListPluginsResponse(plugins=[sent]))
    for method in ("Get", "Enable", "Disable"):
        response = getattr(plugins_pb2, f"{method}PluginResponse")(plugin=sent)
        server.on(f"{method}Plugin", lambda *_, response=response: response)
    (document,) = json.loads(run("plugins", "list", "--json").stdout)["plugins"]
    assert document["state"] == "INITIALIZED"
    assert document["limits"]["timeout"] == "30s"
    assert document["limits"]["memory_bytes"] == 2**31
    assert document["metrics"]["p50_execution_duration"] == "0.001500s"
    assert "last_used_time" not in document["metrics"]
    assert "Reads text." in run("plugins", "list").stdout
    shown = run("plugins", "get", "ocr").stdout
    assert all(word in shown for word in ("lang", "Tongue.", "2.0 GiB", "30.0 s"))
    assert json.loads(run("plugins", "enable", "ocr", "--json").stdout)["name"] == "ocr"
    assert run("plugins", "disable", "ocr", "--reason", "mended").exit_code == 0
    assert server.requests["DisablePlugin"][0].reason == "mended"


@pytest.mark.parametrize(
    "arguments", [("jobs", "retry", "j"), ("jobs", "delete", "j"), ("plugins", "reload", "p"), ("verify", "j")]
)
def test_what_the_server_lacks_is_told_clearly(server, run, arguments):
    """A method of a later release is named; the exit code is that of a refusal."""
    done = run(*arguments)
    assert done.exit_code == 1
    assert f"the server at {server.target} does not offer" in done.stderr
    assert json.loads(run(*arguments, "--json").stdout)["error"]["reason"] == "NOT_IMPLEMENTED"


@pytest.mark.parametrize(("verdict", "code"), [("REPRODUCIBLE", 0), ("DIVERGED", 1)])
def test_verify_tells_its_verdict_by_the_exit_code(server, run, verdict, code):
    """Only a reproducible job ends with 0."""
    response = governance_pb2.VerifyJobResponse(verdict=f"VERDICT_{verdict}")
    server.on("VerifyJob", lambda *_: response)
    done = run("verify", "job-1", "--json")
    assert (json.loads(done.stdout)["verdict"], done.exit_code) == (verdict, code)
    assert verdict in run("verify", "job-1").stdout


@pytest.mark.parametrize(
    ("attestation", "code"), [("ATTESTED", 0), ("UNATTESTED", 0), ("VIOLATED", 1), ("INCONCLUSIVE", 1)]
)
def test_governance_tells_its_verdict_by_the_exit_code(server, run, attestation, code):
    """A server that may run plugins ends with 0; what is wrong, and what the verdict rests on, are shown."""
    response = governance_pb2.GetGovernanceReportResponse(
        attestation=f"ATTESTATION_{attestation}",
        reason="because",
        rules=["RWD001"],
        plugin_code_digests={"ocr": "sha256:1"},
    )
    response.changes.add(path="a.py", kind="FILE_CHANGE_KIND_MISSING")
    response.findings.add(rule="RWD001", path="b.py", line=3, column=5, message="no").steps.add(
        path="c.py", note="here"
    )
    server.on("GetGovernanceReport", lambda *_: response)
    done = run("governance", "--json")
    form = json.loads(done.stdout)
    assert (form["attestation"], done.exit_code) == (attestation, code)
    assert form["changes"] == [{"path": "a.py", "kind": "MISSING", "expected_digest": "", "actual_digest": ""}]
    assert "scan_time" not in form
    text = run("governance").stdout
    for part in (attestation, "because", "MISSING a.py", "RWD001 b.py:3:5 no", "c.py:0:0 here", "ocr"):
        assert part in text, text


def test_retry_and_delete_where_the_server_offers_them(server, run):
    """A retried job is shown; a deleted one is named."""
    server.on("RetryJob", lambda *_: jobs_pb2.RetryJobResponse(job=server.job("PENDING")))
    server.on("DeleteJob", lambda *_: jobs_pb2.DeleteJobResponse())
    assert json.loads(run("jobs", "retry", "job-0", "--json").stdout)["id"] == "job-1"
    assert "deleted job-1" in run("jobs", "delete", "job-1").stdout


def test_a_change_is_told_with_its_time(server, run):
    """What was before the watch began stands with the time when it was, not with that of looking."""

    def updates(*_):
        for revision, status in enumerate(("PENDING", "RUNNING", "SUCCESS"), start=1):
            job = server.job(status, revision)
            for field, seconds in zip(("create_time", "start_time", "end_time")[:revision], (0, 60, 120), strict=False):
                getattr(job, field).FromSeconds(seconds)
            yield jobs_pb2.WatchJobResponse(job=job)

    server.on("WatchJob", updates)
    lines = run("jobs", "watch", "job-1").stdout.splitlines()[:3]
    times = [datetime.fromtimestamp(seconds, tz=UTC).astimezone().strftime("%H:%M:%S") for seconds in (0, 60, 120)]
    assert lines == [
        f"job-1  {time}  {status}" for time, status in zip(times, ("PENDING", "RUNNING", "SUCCESS"), strict=True)
    ]
