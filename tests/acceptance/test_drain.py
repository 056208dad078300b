"""SIGTERM: what runs may end, what does not is given back, and health and watchers are told."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest

import runward
from runward_service.runtime.process_tree import children_of
from tests.acceptance.conftest import IMAGE
from tests.acceptance.health_watch import NOT_SERVING, health_watch
from tests.acceptance.server_process import ServerProcess, gone

if TYPE_CHECKING:
    from pathlib import Path

    from runward import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def attempt_runs(client: Client, folder: Path, attempt: int) -> None:
    """Wait until an attempt of the job at the gate runs."""
    while not list(folder.glob(f"running-*-{attempt}")):
        await client.health()


async def test_a_job_that_outlasts_the_grace_is_given_back(tmp_path: Path) -> None:
    """It is RUNNING still, for the next start to run as its next attempt, which costs it none of max_attempts: it can
    lose a worker after that as any job can.
    """
    folder = tmp_path / "data"
    server = await ServerProcess(folder, "--grace", "0.1", plugins=("Gate",)).start()
    async with runward.connect(server.address) as client, health_watch(server.address) as health:
        job = await client.submit("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE)
        waiting = await client.submit("gate", b"y", options={"folder": str(tmp_path)}, **IMAGE)
        await attempt_runs(client, tmp_path, 1)
        left = server.descendants()
        stopping = asyncio.create_task(server.stop())
        await health.becomes(NOT_SERVING)
        assert await stopping == 0
    assert await gone(left)
    async with ServerProcess(folder, plugins=("Gate",)) as again, runward.connect(again.address) as client:
        await attempt_runs(client, tmp_path, 2)
        assert (await client.get(waiting.id)).status == "PENDING"
        (keeper,) = children_of(again.pid)
        os.kill(keeper, signal.SIGKILL)
        await attempt_runs(client, tmp_path, 3)
        (tmp_path / "open").touch()
        assert await client.result(job.id) == {"attempt": 3}
        assert await client.result(waiting.id) == {"attempt": 1}
        events = [(update.status, update.attempt) async for update in client.watch(job.id)]
    assert events == [("PENDING", 0), ("RUNNING", 1), ("RUNNING", 2), ("RUNNING", 3), ("SUCCESS", 3)]


async def test_a_stop_in_the_pause_between_attempts(tmp_path: Path) -> None:
    """A job that waits for its next attempt is given back as well."""
    folder = tmp_path / "data"
    server = await ServerProcess(folder, "--grace", "0", plugins=("Brief",)).start()
    async with runward.connect(server.address) as client:
        job = await client.submit("brief", b"x", options={"how": "die"}, **IMAGE)
        async for update in client.watch(job.id):
            if update.attempt == 2:
                break
        assert await server.stop() == 0
    async with ServerProcess(folder, plugins=("Brief",)) as again, runward.connect(again.address) as client:
        with pytest.raises(runward.ExecutionError, match="WORKER_LOST"):
            await client.result(job.id)


async def test_a_stop_with_a_store_that_takes_no_writes(tmp_path: Path) -> None:
    """The server stops all the same, cleanly; the next start runs what was running."""
    folder = tmp_path / "data"
    server = await ServerProcess(folder, "--grace", "0", plugins=("Gate",)).start()
    async with runward.connect(server.address) as client:
        job = await client.submit("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE)
        await attempt_runs(client, tmp_path, 1)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        assert await server.stop() == 0
    assert b"running jobs could not be given back" in server.log
    (tmp_path / "open").touch()
    async with ServerProcess(folder, plugins=("Gate",)) as again, runward.connect(again.address) as client:
        assert await client.result(job.id) == {"attempt": 2}
