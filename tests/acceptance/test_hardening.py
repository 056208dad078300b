"""Less common harm: what plugins, callers and readers of the log may do, and what comes of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

import runward
from runward.v1 import jobs_pb2, jobs_pb2_grpc
from runward_service.store.database import migrations
from tests.acceptance.conftest import IMAGE
from tests.acceptance.server_process import SAMPLES, ServerProcess, gone

if TYPE_CHECKING:
    from runward import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_run_that_kills_its_keeper_leaves_nothing(client: Client, tmp_path: Path) -> None:
    """A plugin that kills its worker's keeper, after it left a process in a session of its own, takes both with it."""
    pid_file = tmp_path / "pid"
    with pytest.raises(runward.ExecutionError) as caught:
        await client.analyze("hostile", b"x", options={"how": "kill_keeper", "pid_file": str(pid_file)}, **IMAGE)
    assert caught.value.reason == "WORKER_LOST"
    assert await gone({int(pid_file.read_text())})
    assert (await client.analyze("hostile", b"x", **IMAGE)).status == "SUCCESS"


@pytest.mark.parametrize("how", ["close_stdout", "leave_thread", "alarm"])
async def test_what_a_run_leaves_in_its_worker_does_not_reach_the_next(client: Client, how: str) -> None:
    """A run that closes its output, leaves a thread or arms an alarm succeeds, and so does the next one."""
    assert (await client.analyze("hostile", b"x", options={"how": how}, **IMAGE)).status == "SUCCESS"
    after = await client.analyze("hostile", b"x", **IMAGE)
    assert (after.status, after.attempt) == ("SUCCESS", 1)


async def test_a_careless_error_is_still_the_plugins(client: Client) -> None:
    """An exception without message or text is PLUGIN_RAISED in its first attempt, not a lost worker."""
    with pytest.raises(runward.PluginError) as caught:
        await client.analyze("hostile", b"x", options={"how": "bad_error"}, **IMAGE)
    assert caught.value.reason == "PLUGIN_RAISED"
    assert caught.value.job_id is not None
    assert (await client.get(caught.value.job_id)).attempt == 1


async def test_a_message_outlives_details_that_fit_no_json(client: Client) -> None:
    """A PluginError whose details fit no JSON keeps its message."""
    with pytest.raises(runward.PluginError) as caught:
        await client.analyze("hostile", b"x", options={"how": "odd_details"}, **IMAGE)
    assert (caught.value.message, caught.value.details) == ("The lamp is broken.", {})


async def test_options_are_bounded(client: Client) -> None:
    """Options over 256 KiB, or nested more than 25 deep, are refused; 25 deep come back with the job."""
    for options in ({"x": "y" * 300_000}, nested(26)):
        with pytest.raises(runward.ValidationError) as caught:
            await client.submit("noop", b"x", options=options, **IMAGE)
        assert caught.value.reason == "OPTIONS_INVALID"
    job = await client.submit("noop", b"x", options=nested(25), **IMAGE)
    assert job.payload.options == nested(25)
    assert (await client.get(job.id)).payload.options == nested(25)


def nested(depth: int) -> dict[str, object]:
    """Options of so many dicts in each other."""
    options: dict[str, object] = {}
    for _ in range(depth - 1):
        options = {"o": options}
    return options


async def test_pages_fit_a_stock_client(client: Client, server: ServerProcess) -> None:
    """Jobs with large options are listed in pages that a client with gRPC's default limits can read, none left out."""
    sent = {(await client.submit("noop", b"x", options={"x": "y" * 250_000}, **IMAGE)).id for _ in range(24)}
    found: set[str] = set()
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = jobs_pb2_grpc.ExecutionServiceStub(channel)
        token = ""
        while not sent <= found:
            page = await stub.ListJobs(jobs_pb2.ListJobsRequest(page_size=1000, page_token=token))
            found |= {job.id for job in page.jobs}
            token = page.next_page_token
            assert token or sent <= found


async def test_a_request_id_tells_true_from_one(client: Client) -> None:
    """The same request id with the option 1 rather than true is another payload."""
    await client.submit("noop", b"x", options={"x": True}, request_id="true-or-one", **IMAGE)
    with pytest.raises(runward.ValidationError) as caught:
        await client.submit("noop", b"x", options={"x": 1}, request_id="true-or-one", **IMAGE)
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    """A server whose standard error is a full pipe still answers calls and stops when asked."""
    program = str(Path(sys.executable).with_name("runward"))
    arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path), "--no-discover", "--plugin"]
    unread, full = os.pipe()
    os.set_blocking(full, False)
    try:
        while True:
            os.write(full, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(full, True)
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        "sample_plugins:Hostile",
        stdout=asyncio.subprocess.PIPE,
        stderr=full,
        env={**os.environ, "PYTHONPATH": str(SAMPLES)},
    )
    try:
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().split()[-1]
        async with runward.connect(address) as client:
            assert (await client.analyze("hostile", b"x", options={"how": "print"}, **IMAGE)).status == "SUCCESS"
            assert await client.health() == "SERVING"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        os.close(unread)
        os.close(full)


async def test_a_plugin_with_an_odd_text_harms_no_list(tmp_path: Path) -> None:
    """A plugin whose description holds a lone surrogate is UNAVAILABLE, and the others are listed beside it."""
    async with (
        ServerProcess(tmp_path / "data", plugins=("Surrogate", "Noop")) as server,
        runward.connect(server.address) as client,
    ):
        states = {plugin.name: plugin.state async for plugin in listed(client)}
    assert states["sample_plugins:Surrogate"] == "UNAVAILABLE"
    assert states["noop"] != "UNAVAILABLE"


async def listed(client: Client):
    """The plugins, one by one."""
    for plugin in await client.plugins():
        yield plugin


async def test_plugins_share_a_single_slot_in_turns(tmp_path: Path) -> None:
    """With one worker in all, a caller of another plugin waits for two jobs of a plugin's backlog at most."""
    async with (
        ServerProcess(tmp_path / "data", "--workers", "1", plugins=("Gate", "Noop")) as server,
        runward.connect(server.address) as client,
    ):
        backlog = [await client.submit("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE) for _ in range(5)]
        while not list(tmp_path.glob("running-*")):
            await client.health()
        call = asyncio.create_task(client.analyze("noop", b"x", **IMAGE))
        while not [job async for job in client.list(plugin="noop")]:
            pass
        (tmp_path / "open").touch()
        noop = await call
        for job in backlog:
            await client.result(job.id)
        ended = [await client.get(job.id) for job in backlog]
    assert noop.start_time is not None
    assert sum(job.start_time < noop.start_time for job in ended) <= 2


@pytest.mark.parametrize("content", [b"this is no database", b""])
async def test_a_data_folder_that_holds_no_database_is_said(tmp_path: Path, content: bytes) -> None:
    """A file in the database's place that is none ends the start with a sentence; an empty one is taken."""
    (tmp_path / "runward.db").write_bytes(content * 100)
    if content:
        with pytest.raises(RuntimeError, match="cannot be used as a database"):
            await ServerProcess(tmp_path).start()
    else:
        async with ServerProcess(tmp_path):
            with closing(sqlite3.connect(tmp_path / "runward.db")) as connection:
                assert connection.execute("PRAGMA user_version").fetchone() == (migrations()[-1][0],)


async def test_a_plugin_that_runs_another_is_in_the_log_and_not_in_the_answer(tmp_path: Path) -> None:
    """Its job ends PLUGIN_RAISED with a message that tells nothing; the server's log, at whatever level, has the
    violation as an error, with the plugin, the job and the line that did it. The next job of the plugin succeeds.
    """
    server = await ServerProcess(tmp_path / "data", "--log-level", "error", plugins=("Rogue",)).start()
    async with runward.connect(server.address) as client:
        with pytest.raises(runward.PluginError) as caught:
            await client.analyze("rogue", b"x", options={"how": "hidden"}, **IMAGE)
        assert (caught.value.reason, caught.value.code) == ("PLUGIN_RAISED", grpc.StatusCode.INTERNAL)
        assert caught.value.message == "The plugin failed. Its operator finds the cause by the job's id."
        assert caught.value.details == {}
        assert (await client.analyze("rogue", b"x", **IMAGE)).status == "SUCCESS"
        assert await server.stop() == 0
    said = f"ERROR runward.governance: plugin rogue, job {caught.value.job_id}: governance violation: "
    assert f"{said}plugin sample_plugins.Noop was run without a permit".encode() in server.log
    assert b"sample_plugins.py" in server.log
