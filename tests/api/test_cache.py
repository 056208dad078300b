"""The result cache as callers over gRPC see it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runward.v1 import jobs_pb2, plugins_pb2
from tests.api.calls import payload, serving
from tests.harness.service import query
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.api.calls import Api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """A server with a plugin that is cacheable."""
    async with serving(tmp_path, "Understudy") as running:
        yield running


async def test_a_hundred_equal_calls_at_once(api: Api) -> None:
    """One plugin run, a hundred jobs, and the plugin's metrics say so."""
    async with Stage() as stage:
        request = jobs_pb2.AnalyzeRequest(plugin="understudy", payload=payload(**stage.options))
        calls = [asyncio.ensure_future(api.jobs.Analyze(request)) for _ in range(100)]
        visit = await stage.enter()
        while query(api.service, "SELECT count(*) FROM job WHERE status = 2") != [(100,)]:  # noqa: ASYNC110
            await asyncio.sleep(0)
        visit.give(answer=42)
        jobs = [response.job for response in await asyncio.gather(*calls)]
        assert stage.visits == 1
    assert len({job.id for job in jobs}) == 100
    assert {job.result.fields["answer"].number_value for job in jobs} == {42.0}
    assert sorted(job.cached for job in jobs) == [False] + [True] * 99
    plugin = (await api.plugins.GetPlugin(plugins_pb2.GetPluginRequest(plugin="understudy"))).plugin
    assert (plugin.metrics.success_count, plugin.metrics.cached_count) == (100, 99)
    assert (plugin.cacheable, plugin.caching_disabled_reason) == (True, "")


async def test_skip_cache_of_every_call(api: Api) -> None:
    """Analyze, SubmitJob and BatchSubmitJobs run the plugin where they are told to."""
    async with Stage() as stage:
        fields = {"plugin": "understudy", "payload": payload(**stage.options)}
        first = asyncio.ensure_future(api.jobs.Analyze(jobs_pb2.AnalyzeRequest(**fields)))
        (await stage.enter()).give()
        assert not (await first).job.cached
        assert (await api.jobs.Analyze(jobs_pb2.AnalyzeRequest(**fields))).job.cached
        again = jobs_pb2.AnalyzeRequest(**fields, skip_cache=True)
        call = asyncio.ensure_future(api.jobs.Analyze(again))
        (await stage.enter()).give()
        assert not (await call).job.cached
        submitted = jobs_pb2.SubmitJobRequest(**fields, skip_cache=True)
        await api.jobs.SubmitJob(submitted)
        (await stage.enter()).give()
        await api.jobs.BatchSubmitJobs(jobs_pb2.BatchSubmitJobsRequest(requests=[submitted]))
        (await stage.enter()).give()
        assert stage.visits == 4
