"""The counters: terminal jobs, durations of runs, and always in the same transaction as the finish."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.job import ANONYMOUS, JobStatus
from runward_service.domain.plugin_state import PluginState
from tests.harness.service import analyze, ended, query, running_service, submit, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Puppet", "SinglePuppet")


async def counts(service: Service, plugin: str) -> tuple[int, int]:
    """A plugin's success and error counts as its catalog entry shows them."""
    counters = (await service.catalog.get(plugin)).counters
    return counters.success_count, counters.error_count


def terminal(service: Service, plugin: str) -> tuple[int, int]:
    """How many jobs of a plugin the store holds as SUCCESS and as FAILED."""
    rows = dict(query(service, "SELECT status, count(*) FROM job WHERE plugin = ? GROUP BY status", plugin))
    return rows.get(3, 0), rows.get(4, 0)


@pytest.mark.parametrize(
    ("how", "change"),
    [
        ("give", (1, 0)),
        ("fail", (0, 1)),
        ("invalid output", (0, 1)),
        ("die", (0, 1)),
        ("cancel", (0, 1)),
        ("timeout", (0, 1)),
        ("die once", (1, 0)),
    ],
)
async def test_every_end_is_counted_once(service: Service, how: str, change: tuple[int, int]) -> None:
    """However a job ends, also with its worker and over several attempts, exactly one is counted, and no run is in
    flight.
    """
    before = await counts(service, "puppet")
    async with Stage() as stage:
        fields = {"timeout_us": 50_000} if how == "timeout" else {}
        job = await submit(service, "puppet", stage.options, **fields)
        visit = await stage.enter()
        if how in {"give", "fail"}:
            getattr(visit, how)()
        elif how == "invalid output":
            visit.writer.write(b'{"do": "return", "value": 3}\n')
        elif how.startswith("die"):
            visit.die()
            following = await stage.enter()
            following.give() if how == "die once" else following.die()
        elif how == "cancel":
            await service.analysis.cancel(job.id, ANONYMOUS)
        await ended(service, job.id)
    after = await counts(service, "puppet")
    assert (after[0] - before[0], after[1] - before[1]) == change
    assert after == terminal(service, "puppet")
    entry = await service.registry.resolve("puppet")
    assert entry.in_flight == 0
    assert entry.state is (PluginState.INITIALIZED if change == (1, 0) else PluginState.FAILED)


async def test_an_end_without_a_run_is_an_error_without_a_duration(service: Service) -> None:
    """Cancelled while PENDING and expired: counted as errors, not as runs."""
    async with Stage() as stage:
        await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        waiting = await submit(service, "single_puppet", stage.options)
        hasty = await submit(service, "single_puppet", stage.options, queue_timeout_us=1)
        await service.analysis.cancel(waiting.id, ANONYMOUS)
        await ended(service, hasty.id)
        assert await counts(service, "single_puppet") == terminal(service, "single_puppet") == (0, 2)
        row = query(service, "SELECT run_count, total_duration FROM plugin_counter WHERE plugin = 'single_puppet'")
        assert row == [(0, 0)]
        view = await service.catalog.get("single_puppet")
        assert (view.counters.last_us, view.counters.last_used_time_us) == (0, 0)
        visit.give()


async def test_waiting_jobs_are_counted(service: Service) -> None:
    """``queued`` is the number of PENDING jobs, those of callers who wait among them; ``in_flight`` that of runs."""
    async with Stage() as stage:
        calls = [asyncio.ensure_future(analyze(service, "single_puppet", stage.options))]
        visit = await stage.enter()
        submitted = [await submit(service, "single_puppet", stage.options) for _ in range(2)]
        calls.append(asyncio.ensure_future(analyze(service, "single_puppet", stage.options)))
        await turns_until(lambda: len(service.running.jobs) == 2)
        await service.store.flush()
        view = await service.catalog.get("single_puppet")
        assert (view.queued, view.entry.in_flight) == (3, 1)
        visit.give()
        for _ in range(3):
            (await stage.enter()).give()
        await asyncio.gather(*calls, *(ended(service, job.id) for job in submitted))
        view = await service.catalog.get("single_puppet")
        assert (view.queued, view.entry.in_flight) == (0, 0)


async def test_durations_are_those_of_the_jobs(service: Service) -> None:
    """The last duration, the mean and the histogram's count follow from the runs, and the last use is the last end."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        (await stage.enter()).give()
        found = await ended(service, job.id)
    counters = (await service.catalog.get("puppet")).counters
    assert 0 < counters.last_us <= found.end_time_us - found.start_time_us
    assert counters.last_used_time_us == found.end_time_us
    ((runs, total),) = query(service, "SELECT run_count, total_duration FROM plugin_counter WHERE plugin = 'puppet'")
    assert counters.mean_us == total // runs
    assert query(service, "SELECT sum(count) FROM plugin_duration WHERE plugin = 'puppet'") == [(runs,)]
    assert 0 < counters.p50_us <= counters.p99_us


async def test_counters_survive_a_restart(tmp_path: Path) -> None:
    """They stand in the store: the next process goes on counting."""
    for number in range(2):
        async with Stage() as stage, running_service(tmp_path, "SinglePuppet") as service:
            call = asyncio.ensure_future(analyze(service, "single_puppet", stage.options))
            (await stage.enter()).give()
            assert (await call).status is JobStatus.SUCCESS
            assert await counts(service, "single_puppet") == (number + 1, 0)


async def test_many_jobs_at_once_are_all_counted(service: Service) -> None:
    """Finishes that share a transaction are added up, none is lost."""
    before = await counts(service, "puppet")
    async with Stage() as stage:
        jobs = [await submit(service, "puppet", stage.options) for _ in range(40)]
        for number in range(40):
            visit = await stage.enter()
            visit.give() if number % 4 else visit.fail()
        await asyncio.gather(*(ended(service, job.id) for job in jobs))
    after = await counts(service, "puppet")
    assert (after[0] - before[0], after[1] - before[1]) == (30, 10)
    assert after == terminal(service, "puppet")
