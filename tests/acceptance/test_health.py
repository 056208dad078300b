"""Health tells the truth: of plugins whose workers hang, die or do not come up, and of a store that takes no writes."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

import runward
from runward_service.runtime.process_tree import children_of
from tests.acceptance.conftest import IMAGE
from tests.acceptance.health_watch import NOT_SERVING, SERVING, health_watch
from tests.acceptance.server_process import ServerProcess, gone

if TYPE_CHECKING:
    from runward import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def worker_of(client: Client) -> tuple[int, int]:
    """The keeper and the host of the one worker of the plugin brief."""
    job = await client.analyze("brief", b"x", **IMAGE)
    assert job.result is not None
    host = int(job.result["pid"])
    return int(Path(f"/proc/{host}/stat").read_text().rpartition(")")[2].split()[1]), host


@pytest.mark.parametrize("which", ["keeper", "host"])
async def test_an_idle_worker_that_is_stopped_is_noticed(tmp_path: Path, which: str) -> None:
    """SIGSTOP of a worker that nobody uses: its plugin is NOT_SERVING, the worker is ended and replaced, and a canary
    run makes the plugin SERVING. Nothing is stored, and no metric moves.
    """
    async with (
        ServerProcess(tmp_path / "data", plugins=("Brief",)) as server,
        runward.connect(server.address) as client,
        health_watch(server.address, "runward.plugin.brief") as health,
    ):
        keeper, host = await worker_of(client)
        before = (await client.plugin("brief")).metrics
        os.kill(keeper if which == "keeper" else host, signal.SIGSTOP)
        await health.becomes(NOT_SERVING)
        assert await client.health() == "SERVING"
        await health.becomes(SERVING)
        assert await gone({keeper, host})
        assert len([job async for job in client.list()]) == 1
        assert (await client.plugin("brief")).metrics == before
        assert await worker_of(client) != (keeper, host)


async def test_a_worker_that_is_stopped_in_a_run_is_noticed_within_its_timeout(tmp_path: Path) -> None:
    """The run ends TIMEOUT, its plugin is NOT_SERVING until a canary run has succeeded in another worker."""
    async with (
        ServerProcess(tmp_path / "data", plugins=("Brief",)) as server,
        runward.connect(server.address) as client,
        health_watch(server.address, "runward.plugin.brief") as health,
    ):
        keeper, host = await worker_of(client)
        call = asyncio.create_task(client.analyze("brief", b"x", options={"how": "spin"}, timeout=0.9, **IMAGE))
        while (await client.plugin("brief")).state != "RUNNING":
            pass
        os.kill(host, signal.SIGSTOP)
        with pytest.raises(runward.ExecutionError, match="TIMEOUT"):
            await call
        await health.becomes(NOT_SERVING)
        await health.becomes(SERVING)
        assert await gone({keeper, host})


async def test_a_keeper_that_is_stopped_in_a_run_costs_an_attempt(tmp_path: Path) -> None:
    """Without its keeper nothing watches a worker's memory, so it is ended, and its run is made again."""
    async with (
        ServerProcess(tmp_path / "data", plugins=("Gate",)) as server,
        runward.connect(server.address) as client,
        health_watch(server.address, "runward.plugin.gate") as health,
    ):
        job = await client.submit("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE)
        while not list(tmp_path.glob("running-*-1")):
            await client.health()
        (keeper,) = children_of(server.pid)
        os.kill(keeper, signal.SIGSTOP)
        await health.becomes(NOT_SERVING)
        while not list(tmp_path.glob("running-*-2")):
            await client.health()
        (tmp_path / "open").touch()
        assert await client.result(job.id) == {"attempt": 2}
        await health.becomes(SERVING)  # that run has shown it, for the canary's default input is none for this plugin


async def test_a_plugin_whose_workers_keep_dying(tmp_path: Path) -> None:
    """Runs that lose their workers one after another make it NOT_SERVING; a canary run, SERVING. FAILED alone does not
    touch its health.
    """
    async with (
        ServerProcess(tmp_path / "data", plugins=("Brief",)) as server,
        runward.connect(server.address) as client,
        health_watch(server.address, "runward.plugin.brief") as health,
    ):
        for _ in range(5):
            with pytest.raises(runward.PluginError):
                await client.analyze("brief", b"x", options={"how": "fail"}, **IMAGE)
        assert (await client.plugin("brief")).state == "FAILED"
        assert await client.health("brief") == "SERVING"
        for _ in range(2):
            with pytest.raises(runward.ExecutionError, match="WORKER_LOST"):
                await client.analyze("brief", b"x", options={"how": "die"}, **IMAGE)
        await health.becomes(NOT_SERVING)
        await health.becomes(SERVING)
        assert b"plugin brief is well again" in server.log
        assert b"attested" not in server.log


async def test_a_plugin_names_its_canary(tmp_path: Path) -> None:
    """What the plugin declares is what the canary run gets: nothing else would succeed."""
    bird = {"mime_type": "text/x-canary"}
    async with (
        ServerProcess(tmp_path / "data", plugins=("Picky",)) as server,
        runward.connect(server.address) as client,
        health_watch(server.address, "runward.plugin.picky") as health,
    ):
        for _ in range(2):
            with pytest.raises(runward.ExecutionError, match="WORKER_LOST"):
                await client.analyze("picky", b"tweet", options={"word": "die"}, **bird)
        await health.becomes(NOT_SERVING)
        await health.becomes(SERVING)


@pytest.mark.parametrize(("plugin", "variable"), [("Mortal", "MORTAL_FILE"), ("Sleeper", "SLEEPER_FILE")])
async def test_a_plugin_whose_workers_do_not_come_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str, variable: str
) -> None:
    """A setup that kills its worker or hangs makes the plugin UNAVAILABLE and NOT_SERVING, and nothing else: the server
    serves its other plugins, and tries again until it succeeds.
    """
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    monkeypatch.setenv(variable, str(obstacle))
    name = plugin.lower()
    async with (
        ServerProcess(tmp_path / "data", plugins=(plugin, "Noop")) as server,
        runward.connect(server.address) as client,
    ):
        assert await client.health(name) == "NOT_SERVING"
        while (await client.plugin(name)).state != "UNAVAILABLE":
            pass
        with pytest.raises(runward.PluginError, match="PLUGIN_UNAVAILABLE"):
            await client.analyze(name, b"x", **IMAGE)
        assert (await client.analyze("noop", b"x", **IMAGE)).status == "SUCCESS"
        assert await client.health() == "SERVING"
        obstacle.unlink()
        async with health_watch(server.address, f"runward.plugin.{name}"):
            assert (await client.analyze(name, b"x", **IMAGE)).status == "SUCCESS"


async def test_a_setup_that_hangs_holds_no_job_beyond_its_queue_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first worker of a plugin hangs in setup its jobs are PENDING and hold no slot: queue_timeout ends one,
    a cancel another, the deadline of its caller a third, and the only slot of the server runs another plugin.
    """
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    monkeypatch.setenv("SLOWCOACH_FILE", str(obstacle))
    async with (
        ServerProcess(tmp_path / "data", "--workers", "1", plugins=("Slowcoach", "Noop")) as server,
        runward.connect(server.address) as client,
    ):
        hasty = await client.submit("slowcoach", b"x", queue_timeout=0.2, **IMAGE)
        cancelled = await client.submit("slowcoach", b"x", **IMAGE)
        patient = await client.submit("slowcoach", b"x", **IMAGE)
        with pytest.raises(runward.ExecutionError, match="QUEUE_TIMEOUT"):
            await client.result(hasty.id)
        assert (await client.cancel(cancelled.id)).status == "FAILED"
        with pytest.raises(runward.TransportError, match="DEADLINE_EXCEEDED"):
            await client.analyze("slowcoach", b"x", deadline=0.2, **IMAGE)
        assert (await client.analyze("noop", b"x", **IMAGE)).status == "SUCCESS"
        assert (await client.get(patient.id)).status == "PENDING"
        obstacle.unlink()
        await client.result(patient.id)


async def test_a_job_that_waits_for_its_next_worker_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of a plugin was killed and the next one hangs in setup: a RUNNING job that waits for it is cancelled
    at once, and its slot is free for the next one.
    """
    obstacle = tmp_path / "obstacle"
    monkeypatch.setenv("SLOWCOACH_FILE", str(obstacle))
    async with (
        ServerProcess(tmp_path / "data", "--workers", "1", plugins=("Slowcoach",)) as server,
        runward.connect(server.address) as client,
    ):
        await client.analyze("slowcoach", b"x", **IMAGE)
        obstacle.touch()
        (keeper,) = children_of(server.pid)
        host = children_of(keeper)
        os.kill(keeper, signal.SIGKILL)
        assert await gone({keeper, *host})
        job = await client.submit("slowcoach", b"x", **IMAGE)
        async for update in client.watch(job.id):
            if update.status == "RUNNING":
                break
        ended = await client.cancel(job.id)
        assert ended.error is not None
        assert ended.error.reason == "CANCELLED"
        obstacle.unlink()
        assert (await client.analyze("slowcoach", b"x", **IMAGE)).status == "SUCCESS"


async def submit_for_ever(client: Client) -> None:
    """Submit jobs, until one is refused."""
    while True:
        await client.submit("noop", b"y" * 200_000, **IMAGE)


async def test_a_full_disk(tmp_path: Path) -> None:
    """Where the store can write no more, jobs are refused with STORE_UNAVAILABLE and health is NOT_SERVING; reads go
    on. With room again all is well by itself.
    """
    async with (
        ServerProcess(tmp_path / "data", plugins=("Noop",)) as server,
        runward.connect(server.address, retry=runward.RetryPolicy(attempts=1)) as client,
        health_watch(server.address) as health,
        health_watch(server.address, "runward.plugin.noop") as plugin_health,
    ):
        job = await client.analyze("noop", b"x", **IMAGE)
        written = max(file.stat().st_size for file in (tmp_path / "data").iterdir())
        # No file of the server may grow beyond that: what a full disk does, for one process.
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (written, resource.RLIM_INFINITY))
        with pytest.raises(runward.ExecutionError, match="STORE_UNAVAILABLE") as caught:
            await submit_for_ever(client)
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        assert caught.value.retry_after is not None
        await health.becomes(NOT_SERVING)
        await plugin_health.becomes(NOT_SERVING)
        with pytest.raises(runward.ExecutionError, match="STORE_UNAVAILABLE"):
            await client.analyze("noop", b"x", **IMAGE)
        with pytest.raises(runward.ExecutionError, match="STORE_UNAVAILABLE"):
            await client.submit("noop", b"x" * 1_000_000, **IMAGE)
        assert (await client.get(job.id)).status == "SUCCESS"
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await health.becomes(SERVING)
        await plugin_health.becomes(SERVING)
        assert (await client.analyze("noop", b"x", **IMAGE)).status == "SUCCESS"
        assert await server.stop() == 0
