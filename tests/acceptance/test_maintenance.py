"""Retention, deletion, backups and gc, with real servers and the real command line."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import grpc
import pytest

import runward
from runward.v1 import jobs_pb2, jobs_pb2_grpc
from tests.acceptance.conftest import IMAGE
from tests.acceptance.server_process import ServerProcess
from tests.acceptance.test_operator import admin
from tests.harness.service import PNG

if TYPE_CHECKING:
    from pathlib import Path

    from runward import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")
LARGE = 300_000


def files_with(folder: Path, text: str) -> list[str]:
    """The names of the files below a folder that hold a text."""
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def one(folder: Path, sql: str) -> int:
    """A number from the database of a folder."""
    with closing(sqlite3.connect(folder / "runward.db")) as connection:
        return int(connection.execute(sql).fetchone()[0])


@pytest.mark.parametrize("size", [1000, LARGE])
async def test_delete_leaves_nothing_in_the_data_folder(server: ServerProcess, client: Client, size: int) -> None:
    """After DeleteJob no file below the data folder holds the image, the options or the labels; twice does no harm."""
    image, option, label = (f"marker-{secrets.token_hex(12)}" for _ in range(3))
    data = PNG + image.encode() + os.urandom(size)
    job = await client.analyze("echo", data, options={"word": option}, labels={"x": label}, mime_type="image/png")
    assert all(files_with(server.data_dir, text) for text in (image, option, label))
    await client.delete(job.id)
    assert [text for text in (image, option, label) if files_with(server.data_dir, text)] == []
    await client.delete(job.id)
    with pytest.raises(runward.ValidationError, match="JOB_NOT_FOUND"):
        await client.get(job.id)
    with pytest.raises(runward.ValidationError, match="JOB_NOT_FOUND"):
        await client.result(job.id)


async def test_retry_runs_the_input_again(client: Client) -> None:
    """A failed job's retry is linked to it; one that ended well is refused."""
    with pytest.raises(runward.PluginError) as caught:
        await client.analyze("fails", b"x", options={"how": "plugin_error"}, **IMAGE)
    assert caught.value.job_id is not None
    first = await client.retry(caught.value.job_id, request_id="again")
    assert (first.retry_of, first.payload.options) == (caught.value.job_id, {"how": "plugin_error"})
    assert (await client.retry(caught.value.job_id, request_id="again")).id == first.id
    with pytest.raises(runward.PluginError):
        await client.result(first.id)
    job = await client.analyze("noop", b"x", **IMAGE)
    with pytest.raises(runward.ValidationError, match="JOB_STATUS_CONFLICT"):
        await client.retry(job.id)


async def test_a_server_keeps_what_it_was_told_to_keep(tmp_path: Path) -> None:
    """Settings of the command line reach the server, which tells them and removes by them."""
    settings = ("--retain-for", "2h", "--retain-jobs", "2", "--max-retention", "1h")
    async with ServerProcess(tmp_path, *settings, plugins=("Noop",)) as server, runward.connect(server.address) as rw:
        info = await rw.server_info()
        assert (str(info.retention), info.retained_jobs, str(info.max_retention)) == ("2:00:00", 2, "1:00:00")
        with pytest.raises(runward.ValidationError, match="retention"):
            await rw.submit("noop", b"x", retention=7200, **IMAGE)
        jobs = [await rw.analyze("noop", bytes([n]), **IMAGE) for n in range(5)]
        while len([job async for job in rw.list()]) > 2:
            await rw.health()
        assert {job.id async for job in rw.list()} == {job.id for job in jobs[3:]}
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = jobs_pb2_grpc.ExecutionServiceStub(channel)  # type: ignore[no-untyped-call]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async for _ in stub.WatchJobs(jobs_pb2.WatchJobsRequest(after_revision=1)):
                    pass
        assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE


async def test_a_backup_of_a_server_under_load_is_restored(tmp_path: Path) -> None:
    """A backup is made while jobs come and go, with large images; a server on the restored data has every job that was
    there when it began, runs those that were waiting, and tells a watcher of before that its revision no longer counts.
    """
    data, backup, restored = tmp_path / "data", tmp_path / "backup", tmp_path / "restored"
    async with (
        ServerProcess(data, "--workers", "2", plugins=("Noop", "Gate")) as server,
        runward.connect(server.address) as rw,
    ):
        waiting = await rw.submit("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE)
        before = [await rw.analyze("noop", os.urandom(size), **IMAGE) for size in (10, LARGE, 10, LARGE)]
        enough = asyncio.Event()

        async def load() -> None:
            while not enough.is_set():
                job = await rw.analyze("noop", os.urandom(LARGE), **IMAGE)
                await rw.delete(job.id)
                await rw.analyze("noop", os.urandom(10), **IMAGE)

        loading = asyncio.gather(*(load() for _ in range(3)))
        status, output, errors = await admin("backup", str(backup), "--data-dir", str(data), "--json")
        enough.set()
        await loading
        assert (status, errors) == (0, "")
        last = (await rw.analyze("noop", b"x", **IMAGE)).revision
    told = json.loads(output)
    assert told["jobs"] == one(backup, "SELECT count(*) FROM job") >= 5
    assert told["image_files"] == len([path for path in (backup / "images").rglob("*") if path.is_file()]) >= 2
    status, output, _ = await admin("restore", str(backup), "--data-dir", str(restored))
    assert status == 0
    assert output.startswith("restored: ")
    (tmp_path / "open").touch()
    async with ServerProcess(restored, plugins=("Noop", "Gate")) as server, runward.connect(server.address) as rw:
        for job in before:
            assert (await rw.get(job.id)).output_digest == job.output_digest
        await rw.result(waiting.id)
        assert (await rw.analyze("noop", b"x", **IMAGE)).revision > last
        with pytest.raises(runward.ValidationError, match="REVISION_COMPACTED"):
            async for _ in rw.watch(before[0].id, after_revision=1):
                pass


async def test_what_backup_and_restore_refuse(server: ServerProcess, client: Client, tmp_path: Path) -> None:
    """Nothing is overwritten, no server's data is touched, nothing damaged is taken: each ends with 1, a sentence, and
    no trace.
    """
    await client.analyze("noop", os.urandom(LARGE), **IMAGE)
    data, backup, full, none = str(server.data_dir), tmp_path / "backup", tmp_path / "full", tmp_path / "none"
    full.mkdir()
    (full / "file").touch()
    assert (await admin("backup", str(backup), "--data-dir", data))[0] == 0
    cut, lost = tmp_path / "cut", tmp_path / "lost"
    for damaged in (cut, lost):
        shutil.copytree(backup, damaged)
    (cut / "runward.db").write_bytes((cut / "runward.db").read_bytes()[:-8192])
    next(path for path in (lost / "images").rglob("*") if path.is_file()).unlink()
    for arguments, says in (
        (("backup", str(full), "--data-dir", data), "is not empty"),
        (("backup", str(none), "--data-dir", str(full)), "holds no data"),
        (("restore", str(backup), "--data-dir", data), "a server is using"),
        (("restore", str(backup), "--data-dir", str(full)), "is not empty"),
        (("restore", str(full), "--data-dir", str(none)), "holds no backup"),
        (("restore", str(cut), "--data-dir", str(none)), "damaged|malformed"),
        (("restore", str(lost), "--data-dir", str(none)), "missing"),
    ):
        status, _, errors = await admin(*arguments)
        assert status == 1, arguments
        assert any(word in errors for word in says.split("|")), errors
        assert "Traceback" not in errors
        assert not none.exists()
    assert [path.name for path in full.iterdir()] == ["file"]
    assert (await client.analyze("noop", b"x", **IMAGE)).status == "SUCCESS"


async def test_gc_beside_a_server_and_without(tmp_path: Path) -> None:
    """Gc removes by the last server's settings or by its own options, beside a server and without one; only without one
    does it make the file smaller. What has not ended stays.
    """
    data = tmp_path / "data"
    async with (
        ServerProcess(data, "--retain-jobs", "500", plugins=("Noop", "Gate")) as server,
        runward.connect(server.address) as rw,
    ):
        waiting = await rw.submit("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE)
        await asyncio.gather(*(rw.analyze("noop", os.urandom(20_000), **IMAGE) for _ in range(40)))
        await rw.analyze("noop", os.urandom(LARGE), **IMAGE)
        status, output, _ = await admin("gc", "--data-dir", str(data), "--json")
        assert (status, json.loads(output)["jobs"]) == (0, 0)
        status, output, _ = await admin("gc", "--data-dir", str(data), "--retain-jobs", "30", "--json")
        told = json.loads(output)
        assert (status, told["jobs"], told["images"]) == (0, 11, 11)
        assert len([job async for job in rw.list(plugin="noop")]) == 30
        status, _, errors = await admin("gc", "--data-dir", str(data), "--compact")
        assert status == 1
        assert "a server is using" in errors
    size = (data / "runward.db").stat().st_size
    status, output, _ = await admin("gc", "--data-dir", str(data), "--retain-for", "1s", "--retain-jobs", "1", "--json")
    assert (status, json.loads(output)["jobs"]) == (0, 30 - 1 * (one(data, "SELECT count(*) FROM job") == 2))
    assert [path for path in (data / "images").rglob("*") if path.is_file()] in ([], [data / "images"])
    status, output, _ = await admin("gc", "--data-dir", str(data), "--compact")
    assert status == 0
    assert output.startswith("removed: ")
    assert (data / "runward.db").stat().st_size < size / 2
    (tmp_path / "open").touch()
    async with ServerProcess(data, plugins=("Gate",)) as server, runward.connect(server.address) as rw:
        await rw.result(waiting.id)
