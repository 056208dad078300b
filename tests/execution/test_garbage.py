"""What a call holds, an image above all, is let go when the call has ended, not when the collector comes by."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.job import Job
from runward_service.runtime.run_control import RunControl
from tests.harness.service import analyze, ended, submit

if TYPE_CHECKING:
    from runward_service.service import Service

PLUGINS = ("Echo", "Fails")
pytestmark = pytest.mark.asyncio(loop_scope="module")


def alive(kind: type) -> int:
    """How many objects of a type there are, those that only the collector would free included."""
    return sum(type(one) is kind for one in gc.get_objects())


@pytest.mark.parametrize("plugin", ["echo", "fails"])
async def test_nothing_of_a_job_waits_for_the_collector(service: Service, plugin: str) -> None:
    """Whether its caller waits or not, whether it succeeds or fails: once a job has ended, nothing holds it."""
    await analyze(service, plugin)
    gc.collect()
    gc.disable()
    try:
        before = alive(Job), alive(RunControl)
        for _ in range(5):
            await analyze(service, plugin)
            job = await submit(service, plugin)
            await ended(service, job.id)
        del job
        assert (alive(Job), alive(RunControl)) == before
    finally:
        gc.enable()
