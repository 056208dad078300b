"""What a call holds, an image above all, is let go when the call has ended, not when the collector comes by."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.job import Job
from runward_service.runtime.run_control import RunControl
from tests.harness.service import analyze, ended, submit, turns_until
from tests.harness.stage import Stage
from tests.store.jobs import new_job, outcome

if TYPE_CHECKING:
    from runward_service.service import Service

PLUGINS = ("Echo", "Fails", "Puppet")
pytestmark = pytest.mark.asyncio(loop_scope="module")
CALLS = 20


def alive(kind: type) -> int:
    """How many objects of a type there are, those that only the collector would free included."""
    return sum(type(one) is kind for one in gc.get_objects())


@pytest.mark.parametrize("plugin", ["echo", "fails"])
async def test_nothing_of_a_job_waits_for_the_collector(service: Service, plugin: str) -> None:
    """Whether its caller waits or not, whether it succeeds or fails: once a job has ended, nothing holds it, but what
    remembers the last one.
    """
    await analyze(service, plugin)
    gc.collect()
    gc.disable()
    try:
        before = {kind: alive(kind) for kind in (Job, RunControl)}
        for _ in range(CALLS):
            await analyze(service, plugin)
            await ended(service, (await submit(service, plugin)).id)
        await turns_until(lambda: not service.running.jobs)  # the last one's task ends after its end is told
        assert all(alive(kind) - count < CALLS / 2 for kind, count in before.items())
    finally:
        gc.enable()


async def test_nothing_of_a_cancelled_job_waits_for_the_collector(service: Service) -> None:
    """A caller that hangs up leaves nothing behind either."""
    async with Stage() as stage:
        gc.collect()
        gc.disable()
        try:
            before = {kind: alive(kind) for kind in (Job, RunControl)}
            for _ in range(CALLS):
                call = asyncio.ensure_future(analyze(service, "puppet", stage.options))
                await stage.enter()
                call.cancel()
                await asyncio.wait([call])
                await turns_until(lambda: not service.running.jobs)
            del call
            assert all(alive(kind) - count < CALLS / 2 for kind, count in before.items())
        finally:
            gc.enable()


async def test_an_end_that_is_never_stored_is_not_remembered() -> None:
    """What a verification's run came to is signed and let go; the signer keeps neither it nor its job."""
    before = alive(Job)
    for number in range(1, CALLS):
        outcome(new_job(number)._replace(attempt=1))
    assert alive(Job) - before < CALLS / 2
