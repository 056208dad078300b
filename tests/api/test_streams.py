"""Streams over a real connection: what ends them, and that nothing of them is left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from runward.v1 import jobs_pb2
from runward_service.watch.log_watcher import FROM_NOW
from tests.api.calls import read, serving
from tests.harness.service import submit, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

STREAMS = 40


async def test_a_client_that_goes_is_forgotten(tmp_path: Path) -> None:
    """Streams that are cancelled, or whose connection is closed, leave no watcher and no task behind."""
    async with Stage() as stage, serving(tmp_path, "Puppet") as api:
        job = await submit(api.service, "puppet", stage.options)
        visit = await stage.enter()
        before = len(asyncio.all_tasks())
        calls = [api.jobs.WatchJobs(jobs_pb2.WatchJobsRequest()) for _ in range(STREAMS)]
        calls += [api.jobs.WatchJob(jobs_pb2.WatchJobRequest(job_id=job.id)) for _ in range(STREAMS)]
        for call in calls:
            await call.read()
        assert api.service.tail.followers == 2 * STREAMS
        for call in calls[::2]:
            call.cancel()
        await turns_until(lambda: api.service.tail.followers == STREAMS)
        await api.channel.close()
        await turns_until(lambda: api.service.tail.followers == 0)
        await turns_until(lambda: len(asyncio.all_tasks()) <= before)
        assert api.service.tail._jobs == api.service.tail._queries == {}
        visit.give()


async def test_a_stop_ends_every_stream_with_where_to_go(tmp_path: Path) -> None:
    """At a drain each stream first sends what there is, then ends UNAVAILABLE with DRAINING and a delay."""
    async with Stage() as stage, serving(tmp_path, "SinglePuppet") as api:
        job = await submit(api.service, "single_puppet", stage.options)
        await stage.enter()
        one = api.jobs.WatchJob(jobs_pb2.WatchJobRequest(job_id=job.id))
        all_jobs = api.jobs.WatchJobs(jobs_pb2.WatchJobsRequest(after_revision=FROM_NOW))
        assert [(await one.read()).job.status for _ in range(2)] == [1, 2]
        assert (await all_jobs.read()).bookmark.revision >= job.revision
        await submit(api.service, "single_puppet", stage.options)
        await api.service.drain(0)
        assert (await all_jobs.read()).job.status == 1
        for call in (one, all_jobs):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            refusal = read(caught.value)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
            assert refusal.retry_seconds is not None


async def test_a_stream_that_is_quiet_is_known_to_have_begun(tmp_path: Path) -> None:
    """A watch that has nothing to send yet tells so by its initial metadata."""
    async with Stage() as stage, serving(tmp_path, "SinglePuppet") as api:
        job = await submit(api.service, "single_puppet", stage.options)
        visit = await stage.enter()
        call = api.jobs.WatchJob(jobs_pb2.WatchJobRequest(job_id=job.id, after_revision=job.revision + 1))
        await call.initial_metadata()
        assert not call.done()
        visit.give()
        assert [message.job.status async for message in call] == [3]
