"""VerifyJob: a finished job is run again, apart from all else, and what comes of it is compared."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, Job, JobStatus, Principal
from runward_service.domain.limits import QueueLimits
from runward_service.domain.verification import ABSENT, Verdict, Verification
from runward_service.store.images import INLINE_BYTES
from tests.harness.service import (
    PNG,
    analyze,
    history,
    job_request,
    query,
    refusal,
    running_service,
    submit,
    turns_until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

PLUGINS = ("changing:Steady", "changing:Warming", "changing:Clock", "unsteady:Wavering", "Gate", "FailsOnce")
pytestmark = pytest.mark.asyncio(loop_scope="module")
LARGE = PNG + os.urandom(INLINE_BYTES)


async def verify(service: Service, job: Job) -> Verification:
    """Verify, as the servicer calls it."""
    return await service.analysis.verify(job.id, ANONYMOUS)


async def failed(service: Service, plugin: str, options: dict[str, Any]) -> Job:
    """A job that ended FAILED."""
    job = await analyze(service, plugin, options)
    assert job.status is JobStatus.FAILED
    return job


async def test_a_stored_result_that_nobody_can_read(service: Service) -> None:
    """There is nothing to compare with, and the plugin is not to blame."""
    job = await analyze(service, "steady", {"unreadable": True})
    with closing(sqlite3.connect(service.database.path)) as connection, connection:
        ((trigger,),) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'job_terminal_is_final'")
        connection.execute("DROP TRIGGER job_terminal_is_final")
        connection.execute("UPDATE job SET result = x'ff' WHERE id = ?", (job.id,))
        connection.execute(trigger)
    verification = await verify(service, job)
    assert (verification.verdict, verification.reason) == (Verdict.UNVERIFIABLE, "its stored result is damaged")


@pytest.mark.parametrize("image", [PNG, LARGE], ids=["small", "large"])
async def test_a_steady_job_is_reproducible(service: Service, image: bytes) -> None:
    """The output is the same as JSON, whatever the order of its members; the job and its history stay as they are."""
    job = await analyze(service, "steady", {"b": 1, "a": 2.5}, image=image)
    before, changes = await service.analysis.get_job(job.id, ANONYMOUS), history(service, job.id)
    assert await verify(service, job) == Verification(Verdict.REPRODUCIBLE)
    assert await service.analysis.get_job(job.id, ANONYMOUS) == before
    assert history(service, job.id) == changes


async def test_a_divergence_names_the_first_path_and_both_values(service: Service) -> None:
    """What a worker carries from run to run shows, for the run is made by a fresh one."""
    await analyze(service, "warming")
    found = await verify(service, await analyze(service, "warming"))
    assert (found.verdict, found.path, found.recorded, found.observed) == (Verdict.DIVERGED, "$.runs", 2.0, 1.0)


async def test_a_failure_is_verified_too(service: Service) -> None:
    """A job that its plugin refused or failed is reproducible when that happens again."""
    for how in ("refuse", "raise"):
        assert (await verify(service, await failed(service, "steady", {"how": how}))).verdict is Verdict.REPRODUCIBLE


async def test_failing_in_another_way_is_a_divergence(service: Service) -> None:
    """So is a run that fails where the job did not, and the other way round."""
    while (job := await analyze(service, "warming", {"odd_fails": True})).status is JobStatus.SUCCESS:
        pass
    third = await analyze(service, "warming", {"odd_fails": True})
    assert third.status is JobStatus.SUCCESS
    found = await verify(service, job)
    assert (found.verdict, found.path) == (Verdict.DIVERGED, "$.error.details.count")
    found = await verify(service, third)
    assert (found.verdict, found.path, found.recorded) == (Verdict.DIVERGED, "$.error", ABSENT)
    assert found.observed["reason"] == "PLUGIN_RAISED"


async def test_what_does_not_follow_from_the_input_is_unverifiable(service: Service) -> None:
    """A timeout, a plugin that promises nothing, a disabled one, and a run that loses its worker say nothing."""
    job = await analyze(service, "gate", {"folder": "/nowhere"}, timeout_us=50_000)
    assert "TIMEOUT" in (await verify(service, job)).reason or "PLUGIN_RAISED" in str(job.error)
    job = await analyze(service, "wavering")
    assert "deterministic" in (await verify(service, job)).reason
    job = await analyze(service, "steady")
    await service.catalog.disable("steady", "for a test")
    try:
        found = await verify(service, job)
        assert (found.verdict, "cannot be run" in found.reason) == (Verdict.UNVERIFIABLE, True)
    finally:
        await service.catalog.enable("steady")
    job = await analyze(service, "fails_once")
    assert job.attempt == 2
    assert (await verify(service, job)).verdict is Verdict.REPRODUCIBLE


async def test_a_job_of_other_code_is_unverifiable(tmp_path: Path) -> None:
    """Where the plugin's code or its libraries changed under the same version, another output says nothing, and the
    present code is trusted as before.
    """
    async with running_service(tmp_path, "changing:Clock") as service:
        job = await analyze(service, "clock")
        entry = service.registry.get("clock")
        assert entry.description is not None
        entry.description = replace(entry.description, code_digest="sha256:" + "0" * 64)
        found = await verify(service, job)
        assert (found.verdict, "code" in found.reason) == (Verdict.UNVERIFIABLE, True)
        assert (await service.catalog.get("clock")).caching_disabled_reason == ""


async def test_a_job_whose_image_is_gone_is_unverifiable(service: Service) -> None:
    """That is its verdict, not an error."""
    job = await analyze(service, "steady", image=LARGE + b"gone")
    (service.database.images / job.image.digest[7:9] / job.image.digest[7:]).unlink()
    found = await verify(service, job)
    assert (found.verdict, "image" in found.reason) == (Verdict.UNVERIFIABLE, True)


async def test_only_ended_jobs_of_the_caller_are_verified(service: Service, tmp_path: Path) -> None:
    """An unfinished job is JOB_STATUS_CONFLICT, an unknown one and another tenant's JOB_NOT_FOUND."""
    job = await submit(service, "gate", {"folder": str(tmp_path)})
    assert (await refusal(verify(service, job))).reason is ErrorReason.JOB_STATUS_CONFLICT
    (tmp_path / "open").touch()
    stranger = Principal("someone", "elsewhere")
    assert (await refusal(service.analysis.verify(job.id, stranger))).reason is ErrorReason.JOB_NOT_FOUND


async def test_verifications_are_counted_apart(tmp_path: Path) -> None:
    """They count in no metrics of jobs and stand in no list; the plugin tells how they ended, after a restart too."""
    async with running_service(tmp_path, "changing:Clock") as service:
        job = await analyze(service, "clock")
        view = await service.catalog.get("clock")
        durations = query(service, "SELECT * FROM plugin_duration")
        found = await verify(service, job)
        assert (found.verdict, found.path) == (Verdict.DIVERGED, "$.found[0].read_at")
        assert (await service.catalog.get("clock")).counters == view.counters
        assert query(service, "SELECT count(*) FROM job") == [(1,)]
        assert query(service, "SELECT * FROM plugin_duration") == durations
    async with running_service(tmp_path, "changing:Clock") as service:
        counters = (await service.catalog.get("clock")).verifications
        assert (counters.reproducible_count, counters.diverged_count, counters.unverifiable_count) == (0, 1, 0)
        assert (counters.diverged_job, counters.diverged_path) == (job.id, "$.found[0].read_at")
        await service.analysis.delete(job.id, ANONYMOUS)
        counters = (await service.catalog.get("clock")).verifications
        assert (counters.diverged_count, counters.diverged_path) == (1, "")


async def test_a_caller_that_hangs_up_ends_the_run(service: Service, tmp_path: Path) -> None:
    """Its worker is gone when the call has ended, and its slot is free."""
    (tmp_path / "open").touch()
    job = await analyze(service, "gate", {"folder": str(tmp_path)})
    mark = tmp_path / f"running-{job.id}-1"
    (tmp_path / "open").unlink()
    mark.unlink()
    verification = asyncio.ensure_future(verify(service, job))
    await turns_until(mark.exists)
    verification.cancel()
    with suppress(asyncio.CancelledError):
        await verification
    (tmp_path / "open").touch()
    assert (await analyze(service, "gate", {"folder": str(tmp_path)})).status is JobStatus.SUCCESS


async def test_verifications_wait_in_the_queue_of_calls(tmp_path: Path) -> None:
    """Where that is full they are refused; a verification waits for the plugin's slot like any call."""
    limits = QueueLimits(1, 1, 2**30, 2**30)
    async with running_service(tmp_path / "data", "Gate", workers=1, waiting_calls=limits) as service:
        (tmp_path / "open").touch()
        job = await analyze(service, "gate", {"folder": str(tmp_path)})
        (tmp_path / "open").unlink()
        request = job_request("gate", {"folder": str(tmp_path)}, image=PNG + b"2")
        running = asyncio.ensure_future(service.analysis.analyze(request))
        await turns_until(lambda: bool(service.running.jobs))
        await turns_until(lambda: len(list(tmp_path.glob("running-*"))) == 2)
        waiting = asyncio.ensure_future(verify(service, job))
        await turns_until(lambda: service.scheduler._calls.count == 1)
        assert (await refusal(verify(service, job))).reason is ErrorReason.QUEUE_FULL
        (tmp_path / "open").touch()
        assert (await running).status is JobStatus.SUCCESS
        assert (await waiting).verdict is Verdict.REPRODUCIBLE
