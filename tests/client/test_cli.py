"""The command line against a scripted server: what it prints, and how it ends."""

import json

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf.timestamp_pb2 import Timestamp

from runward.cli.main import cli
from runward.v1 import jobs_pb2

PNG = b"\x89PNG\r\n\x1a\n"
START = Timestamp(seconds=1_700_000_000)
END = Timestamp(seconds=1_700_000_001, nanos=500_000_000)


def answer_analyze(server, **fields):
    """Answer Analyze with a job that ran for 1.5 s, with the request's options."""

    def answer(request, _context):
        job = server.job(start_time=START, end_time=END, create_time=START, **fields)
        job.payload.mime_type = request.payload.mime_type
        job.payload.options.CopyFrom(request.payload.options)
        return jobs_pb2.AnalyzeResponse(job=job)

    server.on("Analyze", answer)


def test_analyze_prints_the_job_as_one_json_document(server, run, image):
    """Proto names in snake_case, enums without prefix, whole numbers as numbers, times as protobuf writes them."""
    answer_analyze(server, attempt=1)
    done = run("analyze", "ocr", image, "--json", "--option", "max=3", "-o", "lang=en", "--label", "a=b")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["status"] == "SUCCESS"
    assert document["result"] == {"text": "hello"}
    assert document["payload"]["options"] == {"max": 3, "lang": "en"}
    assert document["payload"]["size_bytes"] == 0
    assert (document["create_time"], document["end_time"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:13:21.500Z")
    assert document["file"] == str(image)
    assert "error" not in document
    assert done.stderr == ""
    assert server.requests["Analyze"][0].labels == {"a": "b"}


def test_analyze_shows_a_person_the_result(server, run, image):
    """Without --json the plugin, the status, the job and the result are shown, and nothing is animated in a pipe."""
    answer_analyze(server)
    done = run("analyze", "ocr", image)
    assert done.exit_code == 0
    for word in ("ocr", "SUCCESS", "job-1", "1.5 s", "text", "hello"):
        assert word in done.stdout
    assert done.stderr == ""
    assert "\x1b" not in done.output


def test_refusal_is_an_envelope_with_json(server, run, image):
    """The error envelope goes to stdout, with the job's id beside it, and the exit code is 1."""
    server.on(
        "Analyze",
        server.refusal(
            "MEMORY_LIMIT",
            grpc.StatusCode.INTERNAL,
            error_type="EXECUTION_ERROR",
            message="too much memory",
            details={"limit_bytes": 1024},
            plugin="ocr",
            job_id="job-9",
        ),
    )
    done = run("analyze", "ocr", image, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "file": str(image),
        "error": {
            "type": "ExecutionError",
            "reason": "MEMORY_LIMIT",
            "message": "too much memory",
            "details": {"limit_bytes": 1024},
            "plugin": "ocr",
            "timestamp": "2023-11-14T22:13:20Z",
        },
        "job_id": "job-9",
    }


def test_one_failed_file_does_not_stop_the_others(server, run, tmp_path):
    """Each file has its line as it ends; the exit code tells that one failed."""
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(PNG + name.encode())
    (tmp_path / "b.png").write_bytes(b"bad")

    def answer(request, context):
        if request.payload.image == b"bad":
            return server.refusal("MIME_TYPE_MISMATCH")(request, context)
        return jobs_pb2.AnalyzeResponse(job=server.job())

    server.on("Analyze", answer)
    done = run("analyze", "ocr", tmp_path, "--json")
    lines = {line["file"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.exit_code == 1
    assert [lines[str(tmp_path / name)].get("status") for name in ("a.png", "b.png", "c.png")] == [
        "SUCCESS",
        None,
        "SUCCESS",
    ]
    assert lines[str(tmp_path / "b.png")]["error"]["reason"] == "MIME_TYPE_MISMATCH"
    shown = run("analyze", "ocr", tmp_path, "--quiet")
    assert shown.exit_code == 1
    assert "2 analysed, 1 failed" in shown.stdout
    assert "MIME_TYPE_MISMATCH: no" in shown.stdout


def test_files_directories_and_patterns_are_expanded_once(server, run, tmp_path):
    """Directories give their images, recursively and in order; patterns that the shell left alone are expanded."""
    (tmp_path / "deep").mkdir()
    for name in ("b.PNG", "a.jpg", "deep/c.webp", "notes.txt"):
        (tmp_path / name).write_bytes(PNG)
    answer_analyze(server)
    done = run(
        "analyze",
        "ocr",
        tmp_path,
        tmp_path / "*.txt",
        tmp_path / "a.jpg",
        "--json",
        "--concurrency",
        1,
        "--mime-type",
        "x/y",
    )
    files = [json.loads(line)["file"] for line in done.stdout.splitlines()]
    assert files == [str(tmp_path / name) for name in ("a.jpg", "b.PNG", "deep/c.webp", "notes.txt")]
    assert {request.payload.mime_type for request in server.requests["Analyze"]} == {"x/y"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", "ocr"),
        ("analyze", "ocr", "/absent.png"),
        ("analyze", "ocr", "/absent-*.png"),
        ("analyze", "ocr", "{dir}"),
        ("analyze", "ocr", "{image}", "--option", "novalue"),
        ("analyze", "ocr", "{image}", "--options-file", "{image}"),
        ("analyze", "ocr", "{image}", "--options-file", "/absent.json"),
        ("analyze", "ocr", "{image}", "--concurrency", "0"),
        ("jobs", "list", "--status", "DONE"),
        ("jobs", "list", "--from", "yesterday"),
        ("jobs", "list", "--server", "localhost"),
        ("jobs", "list", "--server", "localhost:99999"),
        ("--server", "http://localhost:50051", "jobs", "list"),
        ("jobs",),
        ("nonesuch",),
        ("--nonesuch",),
    ],
)
def test_wrong_usage_ends_with_2(server, run, image, tmp_path, arguments):
    """A command line that means nothing is told on stderr, before anything is sent."""
    (tmp_path / "empty").mkdir()
    done = run(*(a.format(image=image, dir=tmp_path / "empty") for a in arguments))
    assert done.exit_code == 2
    assert "Usage:" in done.stderr
    assert server.requests == {}


def test_options_file_and_options_are_joined(server, run, image, tmp_path):
    """--option adds to, and overrides, what the file holds."""
    file = tmp_path / "options.json"
    file.write_text('{"lang": "de", "deep": {"n": [1]}}')
    answer_analyze(server)
    done = run(
        "analyze",
        "ocr",
        image,
        "--options-file",
        file,
        "--option",
        "lang=en",
        "--timeout",
        "2",
        "--skip-cache",
        "--json",
    )
    assert json.loads(done.stdout)["payload"]["options"] == {"lang": "en", "deep": {"n": [1]}}
    assert server.requests["Analyze"][0].timeout.seconds == 2
    assert server.requests["Analyze"][0].skip_cache


def test_an_empty_file_name_is_not_the_present_directory(run, image, monkeypatch):
    """As of an unset variable in a script, which means no image, and not all that there are here."""
    monkeypatch.chdir(image.parent)
    done = run("submit", "ocr", "")
    assert (done.exit_code, "the name of a file is empty" in done.stderr) == (2, True)


def test_unreadable_file_is_that_files_error(server, run, image):
    """A file that cannot be read when its turn comes fails alone, as an envelope."""
    answer_analyze(server)
    done = run("analyze", "ocr", image, "/proc/self/mem", "--mime-type", "image/png", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert sorted("error" in line for line in lines) == [False, True]


def test_absent_server_ends_with_4(unused_target, image):
    """Where no server answers, the exit code is 4 and the message names the address, for a file and for commands."""
    for arguments in (("analyze", "ocr", str(image)), ("info",), ("jobs", "list")):
        done = CliRunner().invoke(cli, [*arguments, "--server", unused_target])
        assert done.exit_code == 4
        assert unused_target in done.stderr
        assert "Traceback" not in done.output
        document = json.loads(CliRunner().invoke(cli, [*arguments, "--server", unused_target, "--json"]).stdout)
        assert document["error"]["type"] == "TransportError"
        assert document["error"]["reason"] == "UNAVAILABLE"


def test_server_is_named_before_or_after_the_command(server, unused_target):
    """The command's own --server and --json come before those of runward itself, and those before the environment."""
    server.on("GetServerInfo", lambda *_: jobs_pb2.GetServerInfoResponse(version="0.1.0", max_image_bytes=2**33))
    runner = CliRunner(env={"RUNWARD_SERVER": unused_target})
    for arguments in (
        ("--server", server.target, "--json", "info"),
        ("info", "--server", server.target, "--json"),
        ("--server", unused_target, "info", "--server", server.target, "--json"),
    ):
        done = runner.invoke(cli, arguments)
        assert json.loads(done.stdout)["max_image_bytes"] == 2**33


def test_text_from_images_cannot_speak_to_the_terminal(server, run, image):
    """Control characters and rich's own markup in what a plugin read are shown, not obeyed."""
    job = server.job()
    job.result.update({"text": "\x1b[2J[red]total[/red]"})
    server.on("Analyze", lambda *_: jobs_pb2.AnalyzeResponse(job=job))
    done = run("analyze", "ocr", image)
    assert "\x1b" not in done.stdout
    assert "[red]total[/red]" in done.stdout


def test_fault_that_nobody_expected_is_one_line(server, run):
    """An answer that makes no sense, here a time past all calendars, ends with one line, never with a traceback."""
    server.on("GetJob", lambda *_: jobs_pb2.GetJobResponse(job=server.job(create_time=Timestamp(seconds=10**13))))
    done = run("jobs", "get", "job-1")
    assert done.exit_code == 1
    assert "runward: unexpected " in done.stderr
    assert "Traceback" not in done.output


def test_version(run):
    """--version names the program and its version."""
    assert run("--version").stdout.startswith("runward, version ")
