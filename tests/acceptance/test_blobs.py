"""Blobs and artifacts through the Python client and the command line, over restarts, and between two servers."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import os
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio
from click.testing import CliRunner

import runward
from runward.cli.main import cli
from runward.image_sending import REPEAT_BYTES, UPLOAD_BYTES
from runward.v1 import blobs_pb2, blobs_pb2_grpc
from tests.acceptance.conftest import IMAGE
from tests.acceptance.server_process import ServerProcess
from tests.harness.service import turns_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Any

    from runward import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")
PNG = bytes.fromhex("89504e470d0a1a0a")
CHUNK = 1 << 20
PLUGINS = ("Giver", "Echo")


def digest_of(data: bytes) -> str:
    """As the API writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def giving(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """A server with the plugin that gives files back."""
    async with ServerProcess(tmp_path_factory.mktemp("data"), plugins=PLUGINS) as process:
        yield process


@pytest_asyncio.fixture(loop_scope="session")
async def rw(giving: ServerProcess) -> AsyncIterator[Client]:
    """A new client of it, which knows of no blob."""
    async with runward.connect(giving.address) as connected:
        yield connected


def images_file(folder: Path, digest: str) -> Path:
    """The file of a large blob."""
    return folder / "images" / digest[7:9] / digest[7:]


@pytest.mark.parametrize("size", [1, 300_000, 9_000_000])
async def test_up_and_down(rw: Client, tmp_path: Path, size: int) -> None:
    """A blob is uploaded from a file, asked for, downloaded; progress ends with all of it."""
    data = os.urandom(size)
    file = tmp_path / "blob"
    file.write_bytes(data)
    assert await rw.missing([digest_of(data)]) == [digest_of(data)]
    seen: list[tuple[int, int]] = []
    digest = await rw.upload(file, progress=lambda done, total: seen.append((done, total)))
    assert (digest, seen[-1]) == (digest_of(data), (size, size))
    assert await rw.upload(data) == digest
    assert await rw.missing([digest]) == []
    assert await rw.download(digest) == data
    with pytest.raises(runward.ValidationError) as caught:
        await rw.download(digest_of(b"another"))
    assert (caught.value.reason, caught.value.code) == ("BLOB_UNKNOWN", grpc.StatusCode.NOT_FOUND)


async def test_an_upload_goes_on_after_a_crash(tmp_path: Path) -> None:
    """The server is killed in the midst of an upload; what it had is there after its restart, and is not sent again."""
    data = os.urandom(6 * CHUNK)
    digest = digest_of(data)
    first = await ServerProcess(tmp_path, plugins=PLUGINS).start()
    async with grpc.aio.insecure_channel(first.address) as channel:
        call = blobs_pb2_grpc.BlobServiceStub(channel).UploadBlob()
        for place in range(0, 3 * CHUNK, CHUNK):
            chunk = data[place : place + CHUNK]
            await call.write(blobs_pb2.UploadBlobRequest(digest=digest, size_bytes=len(data), offset=place, data=chunk))
        (file,) = await settled(tmp_path / "uploads", 3 * CHUNK)
        await first.kill()
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    async with ServerProcess(tmp_path, plugins=PLUGINS) as second, runward.connect(second.address) as rw:
        assert file.stat().st_size == 3 * CHUNK
        assert await rw.missing([digest]) == [digest]
        seen: list[int] = []
        assert await rw.upload(data, progress=lambda done, _: seen.append(done)) == digest
        assert seen[0] == 3 * CHUNK
        assert await rw.download(digest) == data
        assert list((tmp_path / "uploads").iterdir()) == []
        await second.kill()
    async with ServerProcess(tmp_path, plugins=PLUGINS) as third, runward.connect(third.address) as rw:
        assert await rw.download(digest) == data


async def settled(folder: Path, size: int) -> list[Path]:
    """Wait until the one file of a folder has a size."""
    while [path.stat().st_size for path in folder.iterdir()] != [size]:  # noqa: ASYNC110 - another process's
        await asyncio.sleep(0.005)
    return list(folder.iterdir())


async def test_large_and_repeated_images_go_by_digest(rw: Client, giving: ServerProcess) -> None:
    """A large image is uploaded once; a smaller one is not sent twice; what the server lacks after all is sent again,
    whatever the call.
    """
    large, small = PNG + os.urandom(UPLOAD_BYTES), PNG + os.urandom(REPEAT_BYTES)
    sizes = sent_sizes(rw)
    for image, expected in ((large, [0, 0]), (small, [len(small), 0])):
        sizes.clear()
        for _ in range(2):
            job = await rw.analyze("echo", image, mime_type="image/png")
            assert job.payload.image_digest == digest_of(image)
        assert sizes == expected
        job = await rw.submit("echo", image, mime_type="image/png")
        assert (await rw.result(job.id))["size"] == len(image)
    assert sizes == [len(small), 0, 0]
    async with runward.connect(giving.address) as operator:
        for digest in (digest_of(large), digest_of(small)):
            await delete_all_with(operator, digest)
            assert await operator.missing([digest]) == [digest]
    for image in (large, small):
        assert (await rw.analyze("echo", image, mime_type="image/png")).payload.size_bytes == len(image)
        await delete_all_with(rw, digest_of(image))
        answers = await rw.submit_many("echo", [image, PNG + b"x" * 30, image], mime_type="image/png")
        assert [job.payload.size_bytes for job in answers if isinstance(job, runward.Job)] == [
            len(image), 38, len(image),
        ]  # fmt: skip
        for job in answers:
            assert isinstance(job, runward.Job)
            await rw.result(job.id)


async def test_a_crowd_uploads_an_image_once(rw: Client) -> None:
    """Calls with the same large image at the same time wait for one upload, also where the first of them gives up."""
    image = PNG + os.urandom(UPLOAD_BYTES)
    uploads = []
    send = rw._connection.send

    async def noting(*arguments: Any, **options: Any) -> Any:
        uploads.append(1)
        return await send(*arguments, **options)

    rw._connection.send = noting  # type: ignore[method-assign]
    calls = [asyncio.ensure_future(rw.analyze("echo", image, mime_type="image/png")) for _ in range(20)]
    await turns_until(lambda: bool(uploads))
    calls[0].cancel()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(ends[0], asyncio.CancelledError)
    assert {job.payload.image_digest for job in ends[1:] if isinstance(job, runward.Job)} == {digest_of(image)}
    assert len(uploads) == 2  # one asks where to go on


def sent_sizes(rw: Client) -> list[int]:
    """Note how many bytes of images a client's requests hold from now on."""
    sizes: list[int] = []
    connection = rw._connection
    call = connection.call

    async def noting(method: Any, request: Any, **options: Any) -> Any:
        if hasattr(request, "payload"):
            sizes.append(len(request.payload.image))
        return await call(method, request, **options)

    connection.call = noting  # type: ignore[method-assign]
    return sizes


async def delete_all_with(rw: Client, digest: str) -> None:
    """Erase all jobs with an image, and with them the image."""
    for job in [job async for job in rw.list()]:
        if job.payload.image_digest == digest:
            await rw.result(job.id)
            await rw.delete(job.id)


async def test_a_damaged_file_is_never_a_wrong_answer(rw: Client, giving: ServerProcess) -> None:
    """A byte of a stored image is changed on disk: the job ends BLOB_CORRUPTED, a download too; then it is sent again,
    and runs.
    """
    data = PNG + os.urandom(UPLOAD_BYTES)
    digest = await rw.upload(data)
    for ask in ("run", "download"):
        file = images_file(giving.data_dir, digest)
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(runward.ExecutionError) as caught:
            await (rw.analyze("echo", data, mime_type="image/png") if ask == "run" else rw.download(digest))
        assert (caught.value.reason, caught.value.code) == ("BLOB_CORRUPTED", grpc.StatusCode.DATA_LOSS)
        assert bool(caught.value.job_id) == (ask == "run")
        assert await rw.missing([digest]) == [digest]
        assert (await rw.analyze("echo", data, mime_type="image/png")).result["size"] == len(data)  # type: ignore[index]
        assert await rw.download(digest) == data


async def test_artifacts_of_a_job(rw: Client, tmp_path: Path) -> None:
    """They are listed, given by name, and saved; what is no plain file's name gets another."""
    files = [["a.bin", 10], ["b.bin", 3_000_000]]
    job = await rw.analyze("giver", b"\x07", options={"files": files}, **IMAGE)
    assert [(one.name, one.size_bytes, one.mime_type) for one in job.artifacts] == [
        (name, size, "application/octet-stream") for name, size in files
    ]
    assert (await rw.get(job.id)).artifacts == job.artifacts
    assert await rw.artifact(job, "a.bin") == b"\x07" * 10
    with pytest.raises(runward.ValidationError, match=r"a\.bin, b\.bin"):
        await rw.artifact(job, "c.bin")
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    folder = tmp_path / "new" / "folder"
    folder.mkdir(parents=True)
    (folder / "b.bin").symlink_to(outside)
    assert await rw.save_artifacts(job, folder) == [folder / "a.bin", folder / "b.bin"]
    assert (folder / "b.bin").read_bytes() == b"\x07" * 3_000_000
    assert outside.read_bytes() == b"mine"
    hostile = runward.Artifact("../outside", job.artifacts[0].digest, 10, "text/plain")
    (saved,) = await rw.save_artifacts(job_with(job, hostile), folder)
    assert (saved.parent, saved.name) == (folder, f"artifact-{hostile.digest[7:]}")


def job_with(job: runward.Job, artifact: runward.Artifact) -> runward.Job:
    """A job as a server could send it that means harm."""
    return dataclasses.replace(job, artifacts=(artifact,))


async def runward_command(server: ServerProcess, *arguments: str) -> tuple[int, str]:
    """Run the command line in a thread; its exit code and its output."""
    runner = CliRunner()
    done = await asyncio.to_thread(runner.invoke, cli, ["--server", server.address, *arguments])
    return done.exit_code, done.stdout


async def test_the_command_line(giving: ServerProcess, tmp_path: Path) -> None:
    """Commands: blobs upload, missing, download, and analyze --save-artifacts, with their exit codes."""
    data = os.urandom(400_000)
    (tmp_path / "one.bin").write_bytes(data)
    digest = digest_of(data)
    code, out = await runward_command(giving, "blobs", "missing", digest, "--json")
    assert (code, json.loads(out)) == (1, {"missing_digests": [digest]})
    code, out = await runward_command(giving, "blobs", "upload", str(tmp_path / "one.bin"))
    assert (code, out) == (0, f"{digest}  {tmp_path / 'one.bin'}\n")
    assert await runward_command(giving, "blobs", "missing", digest) == (0, "")
    target = tmp_path / "copy.bin"
    code, out = await runward_command(giving, "blobs", "download", digest, str(target), "--json")
    assert (code, json.loads(out)) == (0, {"digest": digest, "file": str(target), "size_bytes": len(data)})
    assert target.read_bytes() == data
    code, out = await runward_command(giving, "blobs", "download", digest_of(b"none"), str(target), "--json")
    assert (code, json.loads(out)["error"]["reason"]) == (1, "BLOB_UNKNOWN")
    (tmp_path / "sub").mkdir()
    files = [tmp_path / "a.dat", tmp_path / "sub" / "a.dat"]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number + 1]))
    saved = tmp_path / "saved"
    command = [
        "analyze",
        "giver",
        *map(str, files),
        "--option",
        'files=[["x.bin", 5]]',
        "--mime-type",
        IMAGE["mime_type"],
    ]
    code, out = await runward_command(giving, *command, "--save-artifacts", str(saved), "--json", "--concurrency", "1")
    assert code == 0
    assert [json.loads(line)["saved"] for line in out.splitlines()] == [
        [str(saved / "a.dat.x.bin")],
        [str(saved / "a.dat-2.x.bin")],
    ]
    assert [path.read_bytes() for path in sorted(saved.iterdir())] == [b"\x02" * 5, b"\x01" * 5]
    (tmp_path / "occupied").write_bytes(b"")
    single = ["analyze", "giver", str(files[0]), *command[4:], "--save-artifacts"]
    code, out = await runward_command(giving, *single, str(saved))
    assert (code, (saved / "x.bin").read_bytes()) == (0, b"\x01" * 5)
    assert "saved" in out


async def test_artifacts_of_a_stored_job(rw: Client, giving: ServerProcess, tmp_path: Path) -> None:
    """`jobs save-artifacts` saves them later; a folder that cannot be made is refused, and the job stays as it is."""
    job = await rw.submit("giver", b"\x05", options={"files": [["a.bin", 4]]}, **IMAGE)
    await rw.result(job.id)
    code, out = await runward_command(giving, "jobs", "save-artifacts", job.id, str(tmp_path / "out"), "--json")
    assert (code, json.loads(out)) == (0, {"job_id": job.id, "saved": [str(tmp_path / "out" / "a.bin")]})
    assert (tmp_path / "out" / "a.bin").read_bytes() == b"\x05" * 4
    (tmp_path / "file").write_bytes(b"")
    code, out = await runward_command(
        giving, "jobs", "save-artifacts", job.id, str(tmp_path / "file" / "out"), "--json"
    )
    assert (code, json.loads(out)["error"]["reason"]) == (1, "ARTIFACT_NOT_SAVED")
    for wrong in (["jobs", "save-artifacts", job.id, ""], ["blobs", "download", digest_of(b"x"), ""]):
        assert (await runward_command(giving, *wrong))[0] == 2


async def test_two_servers_on_one_folder(tmp_path: Path) -> None:
    """What one has, the other has: a blob, an upload that it began, a job's artifacts."""
    data = PNG + os.urandom(UPLOAD_BYTES)
    async with (
        ServerProcess(tmp_path, plugins=PLUGINS) as first,
        ServerProcess(tmp_path, plugins=PLUGINS) as second,
        runward.connect(first.address) as a,
        runward.connect(second.address) as b,
        grpc.aio.insecure_channel(first.address) as channel,
    ):

        async def begin() -> AsyncIterator[blobs_pb2.UploadBlobRequest]:
            yield blobs_pb2.UploadBlobRequest(digest=digest_of(data), size_bytes=len(data), data=data[:CHUNK])

        stub = blobs_pb2_grpc.BlobServiceStub(channel)
        assert (await stub.UploadBlob(begin())).committed_bytes == CHUNK  # type: ignore[misc]
        seen: list[int] = []
        digest = await b.upload(data, progress=lambda done, _: seen.append(done))
        assert seen[0] == CHUNK
        assert await a.missing([digest]) == []
        job = await a.submit("giver", data, options={"files": [["a.bin", 300_000]]}, **IMAGE)
        assert (await b.result(job.id)) == {"given": 1}
        job = await b.get(job.id)
        assert await b.artifact(job, "a.bin") == await a.artifact(job, "a.bin") == data[-1:] * 300_000
        await b.delete(job.id)
        assert await a.missing([digest, job.artifacts[0].digest]) == [digest, job.artifacts[0].digest]
