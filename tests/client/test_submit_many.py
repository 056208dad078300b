"""Many images with few calls, against a scripted server."""

import json

import grpc
import pytest

import runward
from runward.batches import BATCH_BESIDE_BYTES, BATCH_BYTES, BATCH_REQUESTS
from runward.v1 import errors_pb2, jobs_pb2

PNG = b"\x89PNG\r\n\x1a\n"


def error_result(reason, details=None):
    """Make the result of a refused request."""
    error = errors_pb2.Error(type="ERROR_TYPE_EXECUTION_ERROR", reason=f"ERROR_REASON_{reason}", message="no")
    error.details.update(details or {})
    return jobs_pb2.BatchSubmitJobsResult(error=errors_pb2.ErrorEnvelope(error=error))


def accepting(server):
    """Make a handler that stores every request, the job named after its image; images that end in ! are refused."""

    def answer(request, _context):
        response = jobs_pb2.BatchSubmitJobsResponse()
        for one in request.requests:
            name = one.payload.image.removeprefix(PNG).decode(errors="replace")[:8]
            if name.endswith("!"):
                response.results.append(error_result("QUEUE_FULL", {"retry_seconds": 2.5}))
            else:
                job = server.job("PENDING")
                job.id = name
                response.results.add(job=job)
        return response

    return answer


async def test_jobs_and_errors_in_order(server, rw, tmp_path):
    """Each image has its job or its error in its place; what cannot be read is not sent."""
    server.on("BatchSubmitJobs", accepting(server))
    images = [PNG + b"a", PNG + b"b!", tmp_path / "absent.png", b"unknown", PNG + b"c"]
    answers = await rw.submit_many("ocr", images, options={"a": 1}, priority=3, labels={"k": "v"}, queue_timeout=9)
    assert [getattr(answer, "id", None) for answer in answers] == ["a", None, None, None, "c"]
    full, absent, unknown = answers[1:4]
    assert isinstance(full, runward.ExecutionError)
    assert (full.reason, full.retry_after.total_seconds()) == ("QUEUE_FULL", 2.5)
    assert isinstance(absent, runward.ValidationError)
    assert "absent.png" in absent.message
    assert unknown.reason == "MIME_TYPE_MISSING"
    sent = server.requests["BatchSubmitJobs"][0].requests
    assert [one.payload.image for one in sent] == [PNG + b"a", PNG + b"b!", PNG + b"c"]
    assert {(one.priority, one.queue_timeout.seconds, one.labels["k"]) for one in sent} == {(3, 9, "v")}
    assert len({one.request_id for one in sent}) == 3


async def test_cut_into_calls(server, rw):
    """A call carries so many requests and so many bytes at most."""
    server.on("BatchSubmitJobs", accepting(server))
    many = [PNG + str(number).encode() for number in range(BATCH_REQUESTS + 5)]
    answers = await rw.submit_many("ocr", many)
    assert [answer.id for answer in answers] == [str(number) for number in range(BATCH_REQUESTS + 5)]
    assert [len(call.requests) for call in server.requests["BatchSubmitJobs"]] == [BATCH_REQUESTS, 5]
    large = PNG + bytes(BATCH_BYTES // 2)
    await rw.submit_many("ocr", [large + b"1", large + b"2", large + b"3"])
    assert [len(call.requests) for call in server.requests["BatchSubmitJobs"][2:]] == [1, 1, 1]
    assert await rw.submit_many("ocr", []) == []


async def test_a_broken_connection_repeats_the_call(server, rw):
    """The same request ids go again, so nothing is stored twice; a call that fails for good fails for its images."""
    broken = server.ending(grpc.StatusCode.UNAVAILABLE)
    server.script("BatchSubmitJobs", broken, accepting(server))
    assert [job.id for job in await rw.submit_many("ocr", [PNG + b"a", PNG + b"b"])] == ["a", "b"]
    first, second = server.requests["BatchSubmitJobs"]
    assert first == second
    server.on("BatchSubmitJobs", server.refusal("INVALID_FIELD"))
    answers = await rw.submit_many("ocr", [PNG, PNG])
    assert [answer.reason for answer in answers] == ["INVALID_FIELD"] * 2


async def test_terms_that_cannot_be_sent(rw):
    """What is wrong for every image is raised."""
    with pytest.raises(runward.ValidationError, match="queue_timeout"):
        await rw.submit_many("ocr", [PNG], queue_timeout=float("nan"))
    with pytest.raises(runward.ValidationError, match="out of range"):
        await rw.submit_many("ocr", [PNG], priority=2**40)


def test_without_asyncio(server):
    """The synchronous client has it too."""
    server.on("BatchSubmitJobs", accepting(server))
    with runward.connect_sync(server.target) as rw:
        assert [job.id for job in rw.submit_many("ocr", [PNG + b"a", PNG + b"b"])] == ["a", "b"]


def test_submit_of_several_files(server, run, tmp_path):
    """The command sends them in one call and shows each; one that is refused does not stop the others."""
    server.on("BatchSubmitJobs", accepting(server))
    for name in ("a", "b!", "c"):
        (tmp_path / f"{name}.png").write_bytes(PNG + name.encode())
    done = run("submit", "ocr", tmp_path, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("id") for line in lines] == ["a", None, "c"]
    assert lines[1]["error"]["reason"] == "QUEUE_FULL"
    assert [line["file"] for line in lines] == [str(tmp_path / f"{name}.png") for name in ("a", "b!", "c")]
    assert done.exit_code == 1
    assert server.calls("BatchSubmitJobs") == 1
    assert server.calls("SubmitJob") == 0
    assert "2 submitted, 1 failed" in run("submit", "ocr", tmp_path).stdout


async def test_what_comes_beside_the_images_is_bounded(server, rw):
    """Large options are sent in several calls, each with no more of them than the server takes; all are stored."""
    sizes = []
    accept = accepting(server)

    def answer(request, context):
        sizes.append(sum(one.ByteSize() - len(one.payload.image) for one in request.requests))
        return accept(request, context)

    server.on("BatchSubmitJobs", answer)
    options = {"text": "x" * 100_000}
    names = [f"{number}" for number in range(40)]
    jobs = await rw.submit_many("ocr", [PNG + name.encode() for name in names], options=options)
    assert [job.id for job in jobs] == names
    assert len(sizes) > 1
    assert max(sizes) <= BATCH_BESIDE_BYTES
