"""Plugins that go around ToolRunner in their workers: their jobs fail, and the service's own log says what they did."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import JobStatus
from runward_service.domain.plugin_state import PluginState
from runward_service.domain.violation import GovernanceViolation
from runward_service.plugins.base import Payload, RunContext
from runward_service.plugins.builtin.image_info import ImageInfo
from tests.harness.service import PNG, analyze, result_of, running_service, turns_until

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Rogue", "Noop")
GENERIC = "The plugin failed. Its operator finds the cause by the job's id."


def violations(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as governance violations."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "runward.governance" and record.levelno == logging.ERROR
    ]


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("another", "plugin sample_plugins.Noop was run without a permit"),
        ("itself", "plugin sample_plugins.Rogue was run without a permit"),
        ("tool_runner", "plugin sample_plugins.Rogue runs plugin sample_plugins.Noop within its own run"),
        ("tool_runner_in_a_thread", "plugin sample_plugins.Rogue runs plugin sample_plugins.Noop within its own run"),
        ("unbound", "plugin sample_plugins.Rogue was run without a permit"),
        ("permit", "Rogue.run took a permit to run a plugin"),
        ("hidden", "plugin sample_plugins.Noop was run without a permit"),
    ],
)
async def test_a_job_that_goes_around_tool_runner_fails(
    service: Service, caplog: pytest.LogCaptureFixture, how: str, text: str
) -> None:
    """The job ends PLUGIN_RAISED, also where the plugin hides the exception; its caller learns nothing of the inside,
    and the service's log names the plugin, the job, and the line that did it.
    """
    job = await analyze(service, "rogue", {"how": how})
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert (job.error.reason, job.error.message, job.error.details) == (ErrorReason.PLUGIN_RAISED, GENERIC, {})
    assert "GovernanceViolation" in job.error.traceback
    (said,) = violations(caplog)
    assert said.startswith(f"plugin rogue, job {job.id}: governance violation: {text}")
    assert "sample_plugins.py" in said
    assert (await service.registry.resolve("rogue")).state is PluginState.FAILED
    assert (await analyze(service, "rogue")).status is JobStatus.SUCCESS


async def test_a_plugins_thread_has_no_permit(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """A thread that a plugin starts in its run cannot run the plugin again; that is logged, and raised there."""
    job = await analyze(service, "rogue", {"how": "thread"})
    expected = "plugin sample_plugins.Rogue was run without a permit, around ToolRunner"
    assert result_of(job) == {"caught": [expected]}
    (said,) = violations(caplog)
    assert expected in said


async def test_a_forked_process_has_no_permit(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """A process that a plugin forks in its run is stopped too. It prints that, for the worker's socket is not its own,
    and the worker goes on.
    """
    caplog.set_level(logging.INFO)
    job = await analyze(service, "rogue", {"how": "forked"})
    assert job.status is JobStatus.SUCCESS
    printed = "governance violation: plugin sample_plugins.Noop was run without a permit"
    await turns_until(lambda: any(record.getMessage().startswith(printed) for record in caplog.records))
    assert violations(caplog) == []


async def test_a_plugin_that_becomes_another_does_not_stay_it(service: Service) -> None:
    """A run that changes the class of its plugin's instance costs its worker: the next run is the plugin's own."""
    await analyze(service, "rogue", {"how": "another_class"})
    assert result_of(await analyze(service, "rogue")) == {"caught": []}


async def test_violations_do_not_flood_the_log(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Of a hundred violations in one job, twenty are logged; those of the next job are again."""
    assert (await analyze(service, "rogue", {"how": "often"})).status is JobStatus.FAILED
    assert len(violations(caplog)) == 20
    await analyze(service, "rogue", {"how": "another"})
    assert len(violations(caplog)) == 21


async def test_setup_cannot_run_a_plugin(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A plugin whose setup runs another is UNAVAILABLE, and the violation is logged without a job."""
    async with running_service(tmp_path, "RogueSetup") as service:
        entry = await service.registry.resolve("rogue_setup")
        await turns_until(lambda: entry.state is PluginState.UNAVAILABLE)
        assert any(said.startswith("plugin rogue_setup, job none: ") for said in violations(caplog))


async def test_the_service_process_cannot_run_a_plugin(caplog: pytest.LogCaptureFixture) -> None:
    """In the process that serves callers, a plugin's run raises and is logged, with the stack that led to it."""
    with pytest.raises(GovernanceViolation, match="ImageInfo was run without a permit"):
        ImageInfo().run(Payload(PNG, "image/png"), RunContext("job", 1, lambda fraction, message: None))
    (record,) = [record for record in caplog.records if record.name == "runward.governance"]
    assert "test_the_service_process_cannot_run_a_plugin" in (record.stack_info or "")
