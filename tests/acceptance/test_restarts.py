"""Kills, restarts and stops: nothing accepted is lost, nothing is left running."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import grpc
import pytest

import runward
from tests.acceptance.conftest import IMAGE
from tests.acceptance.server_process import ServerProcess, gone

if TYPE_CHECKING:
    from pathlib import Path

    from runward import Client, Job

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def running(client: Client, job_id: str) -> Job:
    """Wait until a job runs."""
    async for job in client.watch(job_id):
        if job.status == "RUNNING":
            return job
    raise AssertionError("the job ended")


async def gated(client: Client, folder: Path, count: int = 1) -> list[Job]:
    """Submit jobs that wait for a file in a folder."""
    return [await client.submit("gate", b"x", options={"folder": str(folder)}, **IMAGE) for _ in range(count)]


async def test_a_hundred_pending_jobs_survive_a_kill(tmp_path: Path) -> None:
    """After kill -9 with 100 jobs pending and one running, a start of the server brings all to SUCCESS, each once."""
    server = await ServerProcess(tmp_path / "data", "--workers", "1", plugins=("Gate", "Noop")).start()
    async with runward.connect(server.address) as client:
        (blocker,) = await gated(client, tmp_path)
        await running(client, blocker.id)
        ids = [(await client.submit("noop", f"{n}".encode(), **IMAGE)).id for n in range(100)]
        assert {job.status async for job in client.list(plugin="noop")} == {"PENDING"}
        await server.kill()
    (tmp_path / "open").touch()
    async with (
        ServerProcess(tmp_path / "data", "--workers", "2", plugins=("Gate", "Noop")) as again,
        runward.connect(again.address) as client,
    ):
        ended = [await client.result(job_id) for job_id in ids]
        assert len(ended) == 100
        jobs = [job async for job in client.list(plugin="noop")]
        assert {job.id for job in jobs} == set(ids)
        assert {(job.status, job.attempt) for job in jobs} == {("SUCCESS", 1)}
        await client.result(blocker.id)
        blocked = await client.get(blocker.id)
        assert (blocked.status, blocked.attempt) == ("SUCCESS", 2)


async def test_a_watch_goes_on_after_a_restart(tmp_path: Path) -> None:
    """A revision seen before a restart is where a watch goes on after it: no change is missing, none comes twice."""
    server = await ServerProcess(tmp_path / "data", plugins=("Gate",)).start()
    async with runward.connect(server.address) as client:
        (job,) = await gated(client, tmp_path)
        seen = await running(client, job.id)
        await server.kill()
    (tmp_path / "open").touch()
    async with ServerProcess(tmp_path / "data", plugins=("Gate",)) as again, runward.connect(again.address) as client:
        later = [update async for update in client.watch(job.id, after_revision=seen.revision)]
        whole = [update.revision async for update in client.watch(job.id)]
    assert [update.status for update in later] == ["RUNNING", "SUCCESS"]
    assert whole == sorted(set(whole))
    assert [update.revision for update in later] == [revision for revision in whole if revision > seen.revision]


async def test_a_stop_lets_running_jobs_end(tmp_path: Path) -> None:
    """SIGTERM refuses new work, lets a running Analyze end, leaves pending jobs pending, exits 0 and leaves no
    process.
    """
    server = await ServerProcess(tmp_path / "data", "--workers", "1", plugins=("Gate", "Noop")).start()
    async with runward.connect(server.address) as client:
        analysis = asyncio.create_task(client.analyze("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE))
        while not list(tmp_path.glob("running-*")):
            await client.health()
        pending = await client.submit("noop", b"x", **IMAGE)
        left = server.descendants()
        stopping = asyncio.create_task(server.stop())
        while await client.health() == "SERVING":
            pass
        with pytest.raises(runward.RunwardError) as caught:
            await client.submit("noop", b"x", deadline=1, **IMAGE)
        assert caught.value.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        (tmp_path / "open").touch()
        assert (await analysis).status == "SUCCESS"
        assert await stopping == 0
    assert await gone(left)
    async with ServerProcess(tmp_path / "data", plugins=("Noop",)) as again, runward.connect(again.address) as client:
        await client.result(pending.id)


async def test_a_second_signal_hurries_the_stop(tmp_path: Path) -> None:
    """A second SIGTERM ends the wait: an Analyze is INTERRUPTED, a submitted job runs again at the next start as its
    next attempt.
    """
    server = await ServerProcess(
        tmp_path / "data", "--grace", "600", "--workers", "2", plugins=("Gate", "Hostile")
    ).start()
    async with runward.connect(server.address) as client:
        (job,) = await gated(client, tmp_path)
        await running(client, job.id)
        analysis = asyncio.create_task(client.analyze("hostile", b"x", options={"how": "hang"}, **IMAGE))
        while not [job async for job in client.list(plugin="hostile", statuses=["RUNNING"])]:
            pass
        stopping = asyncio.create_task(server.stop())
        while await client.health() == "SERVING":
            pass
        await server.end_with(signal.SIGTERM)
        assert await stopping == 0
        with pytest.raises(runward.ExecutionError) as caught:
            await analysis
        assert caught.value.reason == "INTERRUPTED"
    (tmp_path / "open").touch()
    async with ServerProcess(tmp_path / "data", plugins=("Gate",)) as again, runward.connect(again.address) as client:
        await client.result(job.id)
        ended = await client.get(job.id)
        assert (ended.status, ended.attempt) == ("SUCCESS", 2)


async def test_hanging_up_cancels_the_job(client: Client, tmp_path: Path) -> None:
    """A caller of Analyze that goes away cancels its job, which ends FAILED with CANCELLED."""
    analysis = asyncio.create_task(client.analyze("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE))
    while not list(tmp_path.glob("running-*")):
        await client.health()
    analysis.cancel()
    with pytest.raises(asyncio.CancelledError):
        await analysis
    jobs: list[Job] = []
    while not jobs:  # an Analyze is written with its next change, a few milliseconds later
        jobs = [job async for job in client.list(plugin="gate")]
    job = jobs[0]
    with pytest.raises(runward.ExecutionError) as caught:
        await client.result(job.id)
    assert caught.value.reason == "CANCELLED"


async def test_a_running_and_a_pending_job_are_cancelled(client: Client, tmp_path: Path) -> None:
    """CancelJob ends a running job and a pending one; again, it answers with the ended job."""
    first, second = await gated(client, tmp_path, 2)
    await running(client, first.id)
    for job in (second, first, first):
        ended = await client.cancel(job.id)
        assert ended.status == "FAILED"
        assert ended.error is not None
        assert ended.error.reason == "CANCELLED"
    statuses = [update.status async for update in client.watch(second.id)]
    assert statuses == ["PENDING", "RUNNING", "FAILED"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--listen", "0.0.0.0:0"], "no loopback address"),
        (["--listen", "nonsense"], "is not HOST:PORT"),
        (["--data-dir", "/proc/nowhere"], "cannot be used"),
        (["--workers", "0"], "--workers"),
    ],
)
async def test_a_server_that_cannot_start_says_why(tmp_path: Path, arguments: list[str], says: str) -> None:
    """Wrong settings end the start with a sentence that says what is wrong, and no traceback."""
    with pytest.raises(RuntimeError) as caught:
        await ServerProcess(tmp_path / "data", *arguments).start()
    assert says in str(caught.value)
    assert "Traceback" not in str(caught.value)


async def test_a_port_that_is_taken_is_said(server: ServerProcess, tmp_path: Path) -> None:
    """A second server on the same port does not start and says that the port is taken."""
    with pytest.raises(RuntimeError, match="another server"):
        await ServerProcess(tmp_path / "data", "--listen", server.address).start()
