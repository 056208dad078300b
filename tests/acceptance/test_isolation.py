"""Hostile plugins harm their own job alone, and leave nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

import runward
from tests.acceptance.conftest import IMAGE
from tests.acceptance.server_process import ServerProcess, alive, gone

if TYPE_CHECKING:
    from pathlib import Path

    from runward import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDS = {
    "segfault": ("WORKER_LOST", grpc.StatusCode.INTERNAL, 2),
    "os_exit": ("WORKER_LOST", grpc.StatusCode.INTERNAL, 2),
    "close_descriptors": ("WORKER_LOST", grpc.StatusCode.INTERNAL, 2),
    "memory": ("MEMORY_LIMIT", grpc.StatusCode.INTERNAL, 1),
    "memory_at_once": ("MEMORY_LIMIT", grpc.StatusCode.INTERNAL, 1),
    "child_memory": ("MEMORY_LIMIT", grpc.StatusCode.INTERNAL, 1),
    "hang": ("TIMEOUT", grpc.StatusCode.DEADLINE_EXCEEDED, 1),
}


@pytest.mark.parametrize("how", ENDS)
async def test_a_hostile_run_harms_its_own_job_alone(client: Client, how: str) -> None:
    """A run that crashes, exits, eats memory, closes its descriptors or hangs ends with the right reason after the
    right number of attempts; a job of another plugin and the next job of the same plugin succeed.
    """
    reason, code, attempts = ENDS[how]
    with pytest.raises(runward.ExecutionError) as caught:
        await client.analyze("hostile", b"x", options={"how": how}, timeout=1.5 if how == "hang" else 15, **IMAGE)
    assert (caught.value.reason, caught.value.code) == (reason, code)
    assert caught.value.job_id is not None
    assert (await client.get(caught.value.job_id)).attempt == attempts
    assert (await client.plugin("hostile")).state == "FAILED"
    assert (await client.analyze("noop", b"x", **IMAGE)).status == "SUCCESS"
    assert (await client.analyze("hostile", b"x", **IMAGE)).status == "SUCCESS"
    assert (await client.plugin("hostile")).state == "INITIALIZED"


@pytest.mark.parametrize("how", ["setsid_child", "setsid_child_and_hang"])
async def test_a_process_that_left_its_session_is_ended_with_its_run(client: Client, tmp_path: Path, how: str) -> None:
    """A child that called setsid and lost its parent does not outlive the run that started it."""
    pid_file = tmp_path / "pid"
    options = {"how": how, "pid_file": str(pid_file)}
    if how == "setsid_child":
        assert (await client.analyze("hostile", b"x", options=options, **IMAGE)).status == "SUCCESS"
    else:
        with pytest.raises(runward.ExecutionError) as caught:
            await client.analyze("hostile", b"x", options=options, timeout=2, **IMAGE)
        assert caught.value.reason == "TIMEOUT"
    assert await gone({int(pid_file.read_text())})
    assert (await client.analyze("hostile", b"x", **IMAGE)).status == "SUCCESS"


async def test_a_lost_worker_costs_an_attempt_and_no_more(client: Client) -> None:
    """A job whose first attempt lost its worker succeeds in its second."""
    job = await client.analyze("fails_once", b"x", **IMAGE)
    assert (job.status, job.attempt, job.result) == ("SUCCESS", 2, {"attempt": 2})


async def test_what_a_plugin_prints_goes_to_the_log(server: ServerProcess, client: Client) -> None:
    """Printing, however much, blocks neither the plugin nor the server; the first lines are in the server's log."""
    assert (await client.analyze("hostile", b"x", options={"how": "print"}, **IMAGE)).status == "SUCCESS"
    assert b"noise noise" in server.log


async def test_runs_are_in_processes_of_their_own(server: ServerProcess, client: Client, picture: bytes) -> None:
    """A plugin runs in another process than the server, and in the same one again while that is idle."""
    first = await client.analyze("echo", picture)
    second = await client.analyze("echo", picture)
    assert first.result is not None
    assert second.result is not None
    assert first.result["pid"] != server.pid
    assert first.result["pid"] == second.result["pid"]
    assert first.result["pid"] in server.descendants()


async def test_nothing_is_left_after_the_server_is_killed(tmp_path: Path) -> None:
    """Kill -9 of the server ends its workers and what they started, those in sessions of their own too."""
    server = await ServerProcess(tmp_path / "data", plugins=("Hostile", "Noop")).start()
    pid_file = tmp_path / "pid"
    async with runward.connect(server.address) as client:
        options = {"how": "setsid_child_and_hang", "pid_file": str(pid_file)}
        job = await client.submit("hostile", b"x", options=options, **IMAGE)
        async for update in client.watch(job.id):
            if update.status == "RUNNING":
                break
        await client.analyze("noop", b"x", **IMAGE)
        while not (pid_file.exists() and pid_file.read_text()):
            await client.get(job.id)
        left = server.descendants() | {int(pid_file.read_text())}
        assert len(left) >= 5  # two keepers, two hosts, the one that left
        await server.kill()
    assert await gone(left)
    assert not any(map(alive, left))
