"""The states of plugins with real workers: from their start over runs to what makes them UNAVAILABLE."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobStatus
from runward_service.domain.plugin_state import PluginState
from tests.harness.service import analyze, query, refusal, running_service, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from runward_service.plugins.registry import PluginEntry
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNUSABLE = {
    "setup_fails": "setup failed: RuntimeError",
    "unmet": "no-such-distribution is not installed. Install: pip install no-such-distribution",
    "bad_schema": "options_schema is not a JSON Schema",
    "sample_plugins:BadName": "must be lower-case letters, digits and '_', not 'Bad Name'",
    "sample_plugins:BadRetry": "BadRetry.retry_on must be a tuple of exception classes, not ('TIMEOUT',)",
    "sample_plugins:BadCanary": "BadCanary.canary must be a Payload with the bytes of an image",
    "sample_plugins:ForeignCanary": "ForeignCanary.canary is text/x-canary, which the plugin does not take",
    "sample_plugins:BareCanary": "BareCanary.canary must have a mime_type and a dict of options",
    "sample_plugins:Unfinished": "does not define run",
    "sample_plugins:NOT_A_PLUGIN": "is not a subclass of runward_service.plugins.Plugin",
    "sample_plugins:Absent": "cannot be imported: AttributeError",
    "no_such_module:Plugin": "cannot be imported: ModuleNotFoundError",
    "no_colon": "is not of the form module:Class",
}
"""Plugins that cannot be used, as they are found, and the end of the reason."""
TARGETS = ("SetupFails", "Unmet", "BadSchema", *(name for name in UNUSABLE if ":" in name), "no_colon:")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service with one usable plugin."""
    async with running_service(tmp_path_factory.mktemp("data"), "Puppet") as running:
        yield running


class States:
    """The states that a plugin goes through, as listeners of the registry hear of them."""

    def __init__(self, service: Service, name: str) -> None:
        self._name = name
        self._changed = asyncio.Event()
        self.seen: list[PluginState] = []
        service.registry.listen(self._hear)

    def _hear(self, entry: PluginEntry) -> None:
        if entry.name == self._name:
            self.seen.append(entry.state)
            self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, looking at each change."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()


async def test_found_then_set_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    """LOADED when found and when described, INITIALIZED when its first worker's setup is over."""
    async with running_service(tmp_path_factory.mktemp("data"), "Noop", workers=1) as service:
        assert [(entry.name, entry.state) for entry in service.registry.entries()] == [
            ("sample_plugins:Noop", PluginState.LOADED)
        ]
        states = States(service, "noop")
        await states.until(lambda: PluginState.INITIALIZED in states.seen)
        assert states.seen == [PluginState.LOADED, PluginState.INITIALIZED]


async def test_running_until_the_last_of_several_ends(service: Service) -> None:
    """With two runs in flight it is RUNNING until both have ended; the last one's outcome is its state."""
    async with Stage() as stage:
        entry = await service.registry.resolve("puppet")
        calls = [asyncio.ensure_future(analyze(service, "puppet", stage.options)) for _ in range(2)]
        visits = [await stage.enter(), await stage.enter()]
        assert (entry.state, entry.in_flight) == (PluginState.RUNNING, 2)
        visits[0].fail()
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert done.pop().result().status is JobStatus.FAILED
        assert (entry.state, entry.in_flight) == (PluginState.RUNNING, 1)
        visits[1].give()
        assert {job.status for job in await asyncio.gather(*calls)} == {JobStatus.SUCCESS, JobStatus.FAILED}
        assert (entry.state, entry.in_flight) == (PluginState.INITIALIZED, 0)


@pytest.mark.parametrize("how", ["raise", "refuse", "invalid output", "die", "cancel", "timeout"])
async def test_failed_by_whatever_ends_a_run(service: Service, how: str) -> None:
    """However a run that began does not end SUCCESS, the plugin is FAILED, takes work, and a success makes it
    INITIALIZED.
    """
    entry = await service.registry.resolve("puppet")
    states = States(service, "puppet")
    async with Stage() as stage:
        options = {"timeout_us": 50_000} if how == "timeout" else {}
        job = await submit(service, "puppet", stage.options, **options)
        visit = await stage.enter()
        assert entry.state is PluginState.RUNNING
        if how == "raise":
            visit.fail()
        elif how == "refuse":
            visit.refuse("The lamp is broken.")
        elif how == "invalid output":
            visit.writer.write(b'{"do": "return", "value": 3}\n')
        elif how == "die":
            visit.die()
            (await stage.enter()).die()
        elif how == "cancel":
            await service.analysis.cancel(job.id, ANONYMOUS)
        await states.until(lambda: PluginState.FAILED in states.seen and entry.in_flight == 0)
        assert entry.state is PluginState.FAILED

        following = asyncio.ensure_future(analyze(service, "puppet", stage.options))
        (await stage.enter()).give()
        assert (await following).status is JobStatus.SUCCESS
        assert entry.state is PluginState.INITIALIZED


def principal_of(service: Service) -> object:
    """The principal of every test's job."""
    from runward_service.domain.job import ANONYMOUS  # noqa: PLC0415

    del service
    return ANONYMOUS


async def test_a_job_that_never_ran_says_nothing_of_the_plugin(service: Service) -> None:
    """A job cancelled while PENDING leaves the plugin's state as it was."""
    async with Stage() as stage:
        calls = [asyncio.ensure_future(analyze(service, "puppet", stage.options)) for _ in range(2)]
        visits = [await stage.enter(), await stage.enter()]
        waiting = await submit(service, "puppet", stage.options)
        await service.analysis.cancel(waiting.id, ANONYMOUS)
        for visit in visits:
            visit.give()
        await asyncio.gather(*calls)
    assert (await service.registry.resolve("puppet")).state is PluginState.INITIALIZED


async def test_an_idle_worker_that_dies_says_nothing_of_the_plugin(service: Service) -> None:
    """Nobody was using it, so no run failed: the state stays, and the next run has a fresh worker."""
    async with Stage() as stage:
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options))
        visit = await stage.enter()
        visit.give()
        await call
        entry = await service.registry.resolve("puppet")
        group = next(group for group in service.pool._plugins.values() if group.entry is entry)
        for worker in [worker for worker in group.workers if group.is_idle(worker)]:
            worker._popen.terminate()
            await worker.exited
        assert entry.state is PluginState.INITIALIZED
        call = asyncio.ensure_future(analyze(service, "puppet", stage.options))
        fresh = await stage.enter()
        assert fresh.pid != visit.pid
        fresh.give()
        assert (await call).status is JobStatus.SUCCESS


async def test_what_cannot_be_used_is_unavailable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A failed setup, an absent library, a bad schema, name, class or target: UNAVAILABLE with a reason, refused,
    nothing stored; the server starts and the plugin beside them works.
    """
    folder = tmp_path_factory.mktemp("data")
    async with running_service(folder, "Noop", "Twin", "Answers", *TARGETS, workers=1) as service:
        entries = {entry.name: entry for entry in await service.registry.all_described()}
        states = {name: entry.state for name, entry in entries.items()}
        listed = States(service, "setup_fails")
        await listed.until(lambda: entries["setup_fails"].state is PluginState.UNAVAILABLE)
        for name, reason in UNUSABLE.items():
            found = name if name in entries else f"sample_plugins:{'BadSchema' if name == 'bad_schema' else ''}"
            found = "no_colon:" if name == "no_colon" else found
            entry = entries[found]
            assert entry.state is PluginState.UNAVAILABLE, name
            assert reason in entry.state_reason
            error = await refusal(submit(service, entry.name))
            assert error.reason is ErrorReason.PLUGIN_UNAVAILABLE
            assert error.plugin == entry.name
            assert reason in error.details["state_reason"]
        assert query(service, "SELECT count(*) FROM job") == [(0,)]
        assert states["noop"] is not PluginState.UNAVAILABLE
        assert (await analyze(service, "noop")).status is JobStatus.SUCCESS

        twins = [entry for entry in entries.values() if entry.source.target.endswith((":Twin", ":Answers"))]
        refused = next(entry for entry in twins if entry.state is PluginState.UNAVAILABLE)
        kept = next(entry for entry in twins if entry is not refused)
        assert (kept.name, refused.name) == ("answers", refused.source.target)
        assert refused.state_reason == f"the name 'answers' is taken by {kept.source.target}"


async def test_disabling_persists_and_its_jobs_wait(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Disabled is UNAVAILABLE over a restart: new work is refused, what was pending waits until it is enabled."""
    folder = tmp_path_factory.mktemp("data")
    async with Stage() as stage:
        async with running_service(folder, "SinglePuppet") as service:
            first = await submit(service, "single_puppet", stage.options)
            visit = await stage.enter()
            waiting = await submit(service, "single_puppet", stage.options)
            view = await service.catalog.disable("single_puppet", "under repair")
            assert (view.entry.state, view.queued) == (PluginState.UNAVAILABLE, 1)
            error = await refusal(submit(service, "single_puppet", stage.options))
            assert error.reason is ErrorReason.PLUGIN_UNAVAILABLE
            assert error.details == {"state_reason": "disabled: under repair"}
            visit.give()
            await service.running.jobs[first.id].task
            assert query(service, "SELECT status FROM job ORDER BY seq") == [(3,), (1,)]
        async with running_service(folder, "SinglePuppet") as service:
            entry = await service.registry.resolve("single_puppet")
            assert (entry.state, entry.state_reason) == (PluginState.UNAVAILABLE, "disabled: under repair")
            assert query(service, "SELECT status FROM job WHERE id = ?", waiting.id) == [(1,)]
            assert stage.visits == 1
            view = await service.catalog.enable("single_puppet")
            assert view.entry.state is not PluginState.UNAVAILABLE
            visit = await stage.enter()
            assert (visit.job_id, visit.attempt) == (waiting.id, 1)
            visit.give()
            await service.running.jobs[waiting.id].task
        async with running_service(folder, "SinglePuppet") as service:
            assert (await service.registry.resolve("single_puppet")).state is not PluginState.UNAVAILABLE


async def test_operators_of_an_unknown_plugin_are_told(service: Service) -> None:
    """Neither enabling nor disabling invents a plugin."""
    for act in (service.catalog.enable("nothing"), service.catalog.disable("nothing", "")):
        assert (await refusal(act)).reason is ErrorReason.PLUGIN_NOT_FOUND
    assert query(service, "SELECT count(*) FROM disabled_plugin") == [(0,)]
