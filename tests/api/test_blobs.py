"""BlobService over a real server, and images that requests name by digest."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio

from runward.v1 import blobs_pb2, jobs_pb2
from runward_service.api import call_interceptor
from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobMode, Principal
from runward_service.domain.limits import MAX_CHUNK_BYTES, CallBounds
from runward_service.store.images import INLINE_BYTES
from tests.api.calls import Api, read, refused, serving
from tests.harness.service import PNG, job_request, query, refusal, turns_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")
CODES = grpc.StatusCode
OTHER = Principal("anonymous", "other")
CHUNK = 300_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A server that takes blobs of up to 4 MiB."""
    async with serving(tmp_path_factory.mktemp("data"), "Echo", "Fails", max_blob_bytes=4 << 20) as running:
        yield running


def picture(size: int) -> bytes:
    """A picture that is nowhere else."""
    return PNG + os.urandom(size - len(PNG))


def digest_of(data: bytes) -> str:
    """As the API writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def chunks_of(data: bytes, start: int = 0, end: int | None = None) -> list[blobs_pb2.UploadBlobRequest]:
    """The messages of an upload, from a place up to another."""
    messages = [
        blobs_pb2.UploadBlobRequest(offset=place, data=data[place : min(place + CHUNK, end or len(data))])
        for place in range(start, end or len(data), CHUNK)
    ] or [blobs_pb2.UploadBlobRequest(offset=start)]
    messages[0].digest, messages[0].size_bytes = digest_of(data), len(data)
    return messages


async def upload(api: Api, messages: Iterable[blobs_pb2.UploadBlobRequest]) -> int:
    """Send an upload's messages; how many bytes the server has then."""

    async def sent() -> AsyncIterator[blobs_pb2.UploadBlobRequest]:
        for message in messages:
            yield message

    response: blobs_pb2.UploadBlobResponse = await api.blobs.UploadBlob(sent())
    return response.committed_bytes


async def missing(api: Api, *digests: str) -> list[str]:
    """Which digests the server lacks."""
    answer = await api.blobs.FindMissingBlobs(blobs_pb2.FindMissingBlobsRequest(digests=digests))
    return list(answer.missing_digests)


async def download(api: Api, digest: str, offset: int = 0) -> bytes:
    """A blob's bytes from an offset on."""
    call = api.blobs.DownloadBlob(blobs_pb2.DownloadBlobRequest(digest=digest, offset=offset))
    return b"".join([message.data async for message in call])


def by_digest(digest: str, **options: Any) -> jobs_pb2.Payload:
    """A payload that names its image."""
    payload = jobs_pb2.Payload(image_digest=digest, mime_type="image/png")
    payload.options.update(options)
    return payload


def unfinished(api: Api) -> list[str]:
    """The files of unfinished uploads."""
    return sorted(path.name for path in api.service.database.uploads.iterdir())


@pytest.mark.parametrize("size", [1, INLINE_BYTES, INLINE_BYTES + 1, 2 * MAX_CHUNK_BYTES, 3_000_001])
async def test_a_blob_comes_back_as_it_was(api: Api, size: int) -> None:
    """Whatever its size is, and from whatever offset; again it changes nothing, and nothing unfinished is left."""
    data = os.urandom(size)
    digest = digest_of(data)
    assert await missing(api, digest) == [digest]
    assert await upload(api, chunks_of(data)) == size
    assert await upload(api, chunks_of(data)) == size
    assert await missing(api, digest) == []
    for offset in {0, 1, size // 2, size - 1, size}:
        assert await download(api, digest, offset) == data[offset:]
    assert unfinished(api) == []
    assert query(api.service, "SELECT count(*) FROM image WHERE digest = ?", digest) == [(1,)]


async def test_an_upload_that_broke_off_goes_on(api: Api) -> None:
    """What has come is kept, whether the stream ended early or the call was cancelled; a message without data tells how
    much, and what is sent twice is passed over.
    """
    data = picture(1_000_000)
    assert await upload(api, chunks_of(data, end=CHUNK)) == CHUNK
    call = api.blobs.UploadBlob()
    for message in chunks_of(data, CHUNK, 2 * CHUNK):
        await call.write(message)
    file = api.service.database.uploads / unfinished(api)[0]
    await turns_until(lambda: file.stat().st_size == 2 * CHUNK)
    call.cancel()
    while True:
        try:
            committed = await upload(api, [first(data, data=b"")])
            break
        except grpc.aio.AioRpcError as error:  # the server has not heard of the end yet
            assert read(error).details["bound"] == "calls_per_upload"  # noqa: PT017
    assert committed == 2 * CHUNK
    assert await missing(api, digest_of(data)) == [digest_of(data)]
    assert await upload(api, chunks_of(data, CHUNK)) == len(data)
    assert await download(api, digest_of(data)) == data


async def test_an_upload_is_sent_again_from_its_start(api: Api) -> None:
    """After one that broke off, with offsets in no message but the first: what is there already is passed over."""
    data = picture(1_000_000)
    for start, sent in ((0, 2 * CHUNK), (CHUNK // 2, len(data))):
        messages = chunks_of(data, start, sent)
        for message in messages[1:]:
            message.offset = 0
        assert await upload(api, messages) == sent
    assert await download(api, digest_of(data)) == data


async def test_all_who_upload_a_blob_at_once_have_it(api: Api) -> None:
    """One call stores it, and the others are answered when it has, though they send all their messages."""
    data = picture(3_000_000)
    sizes = await asyncio.gather(*(upload(api, chunks_of(data)) for _ in range(8)))
    assert sizes == [len(data)] * 8
    assert await download(api, digest_of(data)) == data
    assert unfinished(api) == []


async def test_a_refusal_reaches_who_goes_on_sending(api: Api) -> None:
    """A stock client whose call is refused by its first message, or by one in the middle, gets that error, however much
    it sends after that.
    """
    data = picture(3_000_000)
    for wrong, field in ((0, "digest"), (1, "offset"), (2, "size_bytes")):
        for _ in range(5):
            messages = chunks_of(data)
            setattr(messages[wrong], field, {"digest": "sha256:none"}.get(field, len(data) - 1))
            assert (await refused(upload(api, messages))).details["field"] == field
    assert await upload(api, chunks_of(data)) == len(data)


async def test_a_refusal_reaches_who_waits_for_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stops sending, and does not end the stream, is answered soon all the same."""
    monkeypatch.setattr(call_interceptor, "PAUSE_SECONDS", 0.01)
    call = api.blobs.UploadBlob()
    await call.write(blobs_pb2.UploadBlobRequest(digest="sha256:none", size_bytes=1))
    assert (await refused(call)).details["field"] == "digest"


async def test_bytes_of_another_digest(api: Api) -> None:
    """They are refused when all are there, and nothing of them is kept: the right ones are taken afterwards."""
    data = picture(CHUNK + 5)
    messages = chunks_of(data)
    messages[-1].data = b"wrong"
    error = await refused(upload(api, messages))
    assert (error.code, error.reason, error.details["field"]) == (CODES.INVALID_ARGUMENT, "INVALID_FIELD", "digest")
    assert error.details["actual_digest"] == digest_of(data[:CHUNK] + b"wrong")
    assert unfinished(api) == []
    assert await missing(api, digest_of(data)) == [digest_of(data)]
    assert await upload(api, chunks_of(data)) == len(data)


def first(blob: bytes = b"abc", **fields: Any) -> blobs_pb2.UploadBlobRequest:
    """The first message of a blob's upload, right where nothing else is said."""
    return blobs_pb2.UploadBlobRequest(**{"digest": digest_of(blob), "size_bytes": len(blob), "data": blob, **fields})


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([first(digest="")], "digest"),
        ([first(digest="sha256:ABC")], "digest"),
        ([first(digest=digest_of(b"abc").upper())], "digest"),
        ([first(size_bytes=0)], "size_bytes"),
        ([first(size_bytes=-1)], "size_bytes"),
        ([first(offset=1)], "offset"),
        ([first(offset=-1)], "offset"),
        ([first(size_bytes=2)], "data"),
        ([first(bytes(MAX_CHUNK_BYTES + 1))], "data"),
        ([first(data=b"a"), blobs_pb2.UploadBlobRequest(digest=digest_of(b""), data=b"bc")], "digest"),
        ([first(data=b"a"), blobs_pb2.UploadBlobRequest(size_bytes=4, data=b"bc")], "size_bytes"),
        ([first(data=b"a"), blobs_pb2.UploadBlobRequest(offset=2, data=b"c")], "offset"),
    ],
)
async def test_a_message_that_does_not_fit(api: Api, messages: list[Any], field: str) -> None:
    """The field is named; nothing is stored."""
    error = await refused(upload(api, messages))
    assert (error.code, error.reason, error.details["field"]) == (CODES.INVALID_ARGUMENT, "INVALID_FIELD", field)
    assert await missing(api, digest_of(b"abc")) == [digest_of(b"abc")]


async def test_a_blob_that_is_too_large(api: Api) -> None:
    """It is refused by its declared size, before anything of it is taken."""
    error = await refused(upload(api, [first(size_bytes=(4 << 20) + 1)]))
    assert (error.code, error.reason) == (CODES.INVALID_ARGUMENT, "IMAGE_TOO_LARGE")
    assert error.details == {"size_bytes": (4 << 20) + 1, "limit_bytes": 4 << 20}


async def test_no_message_or_a_large_one(api: Api) -> None:
    """Both are malformed."""
    assert (await refused(upload(api, []))).reason == "MALFORMED_REQUEST"
    assert (await refused(upload(api, [first(bytes(2 * MAX_CHUNK_BYTES))]))).reason == "MALFORMED_REQUEST"


async def test_what_is_missing(api: Api) -> None:
    """In the order asked, as often as asked; what a job brought counts. What is no digest is refused, as are too
    many.
    """
    data = picture(500)
    await api.jobs.Analyze(
        jobs_pb2.AnalyzeRequest(plugin="echo", payload=jobs_pb2.Payload(image=data, mime_type="image/png"))
    )
    absent = [f"sha256:{number:064x}" for number in (3, 1, 2)]
    assert await missing(api, absent[0], digest_of(data), *absent[1:], absent[0]) == [*absent, absent[0]]
    assert await missing(api) == []
    assert len(await missing(api, *(f"sha256:{number:064x}" for number in range(1000)))) == 1000
    error = await refused(missing(api, *absent, "sha256:0"))
    assert (error.reason, error.details["field"]) == ("INVALID_FIELD", "digests[3]")
    error = await refused(missing(api, *absent[:1] * 1001))
    assert (error.reason, error.details["field"]) == ("INVALID_FIELD", "digests")


async def test_a_download_that_is_refused(api: Api) -> None:
    """An unknown digest is NOT_FOUND; an offset beyond the end, and what is no digest, are INVALID_ARGUMENT."""
    data = picture(500)
    await upload(api, chunks_of(data))
    error = await refused(download(api, f"sha256:{1:064}"))
    assert (error.code, error.reason) == (CODES.NOT_FOUND, "BLOB_UNKNOWN")
    assert error.details["digest"] == f"sha256:{1:064}"
    for digest, offset, field in (
        (digest_of(data), 501, "offset"),
        (digest_of(data), -1, "offset"),
        ("x", 0, "digest"),
    ):
        error = await refused(download(api, digest, offset))
        assert (error.code, error.details["field"]) == (CODES.INVALID_ARGUMENT, field)


@pytest.mark.parametrize("size", [500, INLINE_BYTES + 1])
async def test_a_digest_gives_no_access(api: Api, size: int) -> None:
    """Another tenant neither finds, downloads nor runs a blob whose digest it knows; once it has uploaded the same, the
    end of one tenant's leaves the other's.
    """
    data = picture(size)
    digest = digest_of(data)
    await upload(api, chunks_of(data))
    transfer, analysis = api.service.transfer, api.service.analysis
    assert await transfer.missing(OTHER, [digest]) == [digest]
    assert not await transfer.is_kept(OTHER, digest, size)

    async def downloaded() -> bytes:
        return b"".join([chunk async for chunk in transfer.download(OTHER, digest, 0)])

    assert (await refusal(downloaded())).reason is ErrorReason.BLOB_UNKNOWN
    request = job_request("echo", image=b"", image_digest=digest, mode=JobMode.ASYNC, principal=OTHER)
    for call in (analysis.analyze(request), analysis.submit(request)):
        assert (await refusal(call)).reason is ErrorReason.BLOB_NOT_FOUND
    (refused_one,) = await analysis.submit_batch([request])
    assert getattr(refused_one, "reason", None) is ErrorReason.BLOB_NOT_FOUND
    async with transfer.uploading(OTHER, digest, size) as own:
        await own.append(data)
        await transfer.complete(OTHER, own)
    assert await downloaded() == data
    job = await analysis.analyze(job_request("echo", image=b"", image_digest=digest))
    await analysis.delete(job.id, ANONYMOUS)
    assert await missing(api, digest) == [digest]
    assert await downloaded() == data


@pytest.mark.parametrize("size", [500, INLINE_BYTES + 1])
async def test_an_image_by_its_digest(api: Api, size: int) -> None:
    """Analyze, SubmitJob and BatchSubmitJobs run on it as on its bytes, and the same request id stands for both."""
    data = picture(size)
    digest = digest_of(data)
    await upload(api, chunks_of(data))
    request = {"plugin": "echo", "request_id": os.urandom(8).hex(), "payload": by_digest(digest)}
    job = (await api.jobs.Analyze(jobs_pb2.AnalyzeRequest(**request))).job
    assert (job.payload.image_digest, job.payload.size_bytes) == (digest, size)
    assert job.result["size"] == size
    with_bytes = jobs_pb2.Payload(image=data, mime_type="image/png")
    again = await api.jobs.Analyze(jobs_pb2.AnalyzeRequest(**request | {"payload": with_bytes}))
    assert again.job.id == job.id
    submitted = await api.jobs.SubmitJob(jobs_pb2.SubmitJobRequest(plugin="echo", payload=by_digest(digest)))
    batch = jobs_pb2.BatchSubmitJobsRequest()
    for payload in (by_digest(digest), by_digest(f"sha256:{1:064}"), with_bytes):
        batch.requests.add(plugin="echo", payload=payload)
    results = (await api.jobs.BatchSubmitJobs(batch)).results
    assert [result.WhichOneof("outcome") for result in results] == ["job", "error", "job"]
    assert results[1].error.error.details["digest"] == f"sha256:{1:064}"
    for job_id in (submitted.job.id, results[0].job.id, results[2].job.id):
        async for change in api.jobs.WatchJob(jobs_pb2.WatchJobRequest(job_id=job_id)):
            last = change.job
        assert last.result["size"] == size


async def test_it_is_validated_as_bytes_are(api: Api) -> None:
    """A type that the bytes are not is refused, and nothing is stored."""
    data = picture(INLINE_BYTES + 1)
    await upload(api, chunks_of(data))
    payload = by_digest(digest_of(data))
    payload.mime_type = "image/jpeg"
    error = await refused(api.jobs.Analyze(jobs_pb2.AnalyzeRequest(plugin="echo", payload=payload)))
    assert (error.code, error.reason) == (CODES.INVALID_ARGUMENT, "MIME_TYPE_MISMATCH")
    assert error.details == {"declared": "image/jpeg", "detected": "image/png"}
    unknown = by_digest(f"sha256:{7:064}")
    error = await refused(api.jobs.SubmitJob(jobs_pb2.SubmitJobRequest(plugin="echo", payload=unknown)))
    assert (error.code, error.reason) == (CODES.FAILED_PRECONDITION, "BLOB_NOT_FOUND")
    assert (error.details, error.plugin) == ({"digest": unknown.image_digest}, "echo")


async def test_transfers_are_bounded(tmp_path: Path) -> None:
    """Beyond so many uploads and downloads the next is refused, typed; an end makes room."""
    bounds = CallBounds(transfers=2, transfers_per_caller=2, transfer_bytes=2000)
    async with serving(tmp_path, "Echo", calls=bounds) as api:
        calls = [api.blobs.UploadBlob() for _ in range(2)]
        for number, call in enumerate(calls):
            await call.write(first(bytes([number]) * 900, data=b""))
        limits = {"transfers", "transfers_per_caller"}
        await turns_until(lambda: len(unfinished(api)) == 2)
        error = await refused(upload(api, [first(b"other")]))
        assert (error.code, error.reason) == (CODES.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
        assert error.details["bound"] in limits
        assert error.retry_seconds == 1
        await calls[0].write(blobs_pb2.UploadBlobRequest(data=bytes(900)))
        await calls[0].done_writing()
        assert (await calls[0]).committed_bytes == 900
        error = await refused(upload(api, [first(bytes(1200))]))
        assert error.details["bound"] == "transfer_bytes"
        assert await upload(api, [first(b"other")]) == 5
        calls[1].cancel()
