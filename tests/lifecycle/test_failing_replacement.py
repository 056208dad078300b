"""A plugin that was ready and whose next worker cannot be set up, or is lost: who waits is told, or tries again."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason
from runward_service.domain.plugin_state import PluginState
from runward_service.runtime import worker_pool
from runward_service.runtime.process_tree import children_of
from tests.acceptance.server_process import gone
from tests.harness.service import analyze, history, refusal, result_of, running_service

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from runward_service.plugins.registry import PluginEntry
    from runward_service.service import Service


def until_state(service: Service, state: PluginState) -> asyncio.Future[None]:
    """Done when the plugin changes into a state."""
    reached = asyncio.get_running_loop().create_future()

    def changed(entry: PluginEntry) -> None:
        if entry.state is state and not reached.done():
            reached.set_result(None)

    service.registry.listen(changed)
    return reached


async def test_a_replacement_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is UNAVAILABLE with the reason, who waits for a worker is told, new requests are refused; when a later
    try succeeds, it is FAILED by its last run, which accepts work.
    """
    mood = tmp_path / "bad mood"
    monkeypatch.setenv("MOODY_FILE", str(mood))
    async with running_service(tmp_path / "data", "Moody") as service:
        first = result_of(await analyze(service, "moody"))["pid"]
        mood.touch()
        unavailable = until_state(service, PluginState.UNAVAILABLE)
        # The second waits for the worker that the first takes with it.
        jobs = await asyncio.gather(analyze(service, "moody", {"die": True}), analyze(service, "moody"))
        await unavailable
        reasons = [job.error.reason for job in jobs if job.error is not None]
        assert reasons == [ErrorReason.WORKER_LOST, ErrorReason.PLUGIN_UNAVAILABLE]
        error = await refusal(analyze(service, "moody"))
        assert error.reason is ErrorReason.PLUGIN_UNAVAILABLE
        assert "setup failed" in error.message
        available = until_state(service, PluginState.FAILED)
        mood.unlink()
        await available
        assert result_of(await analyze(service, "moody"))["pid"] != first


async def test_a_replacement_that_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies while it comes up costs the job that waits for it an attempt, as one that dies in a run does;
    the next attempt finds another. Nobody is refused meanwhile, for those before it came up.
    """
    # The next attempt is there before the replacement has come so far as to die.
    monkeypatch.setattr("runward_service.execution.attempts.BACKOFF_SECONDS", 0.0)
    monkeypatch.setenv("FRAIL_FILE", str(tmp_path / "frail"))
    states: set[PluginState] = set()
    async with running_service(tmp_path / "data", "Frail") as service:
        await service.catalog.come_up("frail")
        service.registry.listen(lambda entry: states.add(entry.state))
        job = await analyze(service, "frail", {"die": True})
        assert PluginState.UNAVAILABLE not in states
        assert result_of(job) == {"attempt": 3}
        assert [attempt for _, attempt in history(service, job.id)] == [0, 1, 2, 3, 3]


async def test_a_first_worker_that_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first worker dies before it has told its plugin's name, calls for that name wait for the second rather
    than hear that there is no such plugin.
    """
    monkeypatch.setenv("FRAIL_FILE", str(tmp_path / "frail"))
    (tmp_path / "frail").touch()
    async with running_service(tmp_path / "data", "frail_module:FrailModule") as service:
        assert result_of(await analyze(service, "frail_module_s_plugin")) == {}
        assert not (tmp_path / "frail").exists()


async def test_a_replacement_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run waits for a worker as long as it may run, or as long as a start takes, and no longer: it ends FAILED with
    PLUGIN_UNAVAILABLE while the setup still hangs, and its slot is free.
    """
    obstacle = tmp_path / "obstacle"
    monkeypatch.setenv("SLOWCOACH_FILE", str(obstacle))
    monkeypatch.setattr(worker_pool, "WORKER_WAIT_SECONDS", 0.02)
    async with running_service(tmp_path / "data", "Slowcoach", workers=1) as service:
        await analyze(service, "slowcoach")
        obstacle.touch()
        ((worker,),) = (group.workers for group in service.pool._plugins.values())
        keeper = worker.pid
        host = children_of(keeper)
        os.kill(keeper, signal.SIGKILL)
        assert await gone({keeper, *host})
        for _ in range(2):
            job = await analyze(service, "slowcoach", timeout_us=10_000)
            assert job.error is not None
            assert job.error.reason is ErrorReason.PLUGIN_UNAVAILABLE
            assert "no worker was to be had within 0.02 s" in job.error.message
        obstacle.unlink()
        monkeypatch.setattr(worker_pool, "WORKER_WAIT_SECONDS", 60.0)
        assert (await analyze(service, "slowcoach")).error is None


async def test_a_worker_whose_connection_is_found_closed(tmp_path: Path) -> None:
    """A run that is given a worker whose connection is closed, which the loop was not told yet, is made by another."""
    async with running_service(tmp_path / "data", "Noop") as service:
        await analyze(service, "noop")
        (group,) = service.pool._plugins.values()
        (worker,) = group.workers

        def cut(entry: PluginEntry) -> None:
            if entry.state is PluginState.RUNNING and worker._transport is not None:
                worker._transport.abort()  # between the run's beginning and its sending, in one turn of the loop

        service.registry.listen(cut)
        job = await analyze(service, "noop")
        assert (job.error, job.attempt) == (None, 1)
        assert worker not in group.workers
