"""Sampling: jobs are verified by the way, and a plugin that does not keep its word is found, and cached no more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.job import ANONYMOUS, JobStatus
from tests.harness.service import PNG, analyze, query, running_service, submit, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

MOST_RUNS = 20


async def verified(service: Service, count: int) -> None:
    """Wait until so many verifications have been recorded."""
    sql = "SELECT coalesce(sum(reproducible_count + diverged_count + unverifiable_count), 0) FROM plugin_verification"
    await turns_until(lambda: query(service, sql)[0][0] >= count)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("changing:Clock", "$.found[0].read_at"),
        ("changing:Entropy", "$.token"),
        ("changing:Places", "$.first["),
        ("changing:Race", "$.turns."),
        ("changing:Overtaking", "$.sum"),
    ],
)
async def test_an_unsteady_plugin_is_caught(
    tmp_path: Path, target: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A clock, the system's entropy, the places of objects in memory, races of threads: each within twenty runs, with
    the path that differs. From then on nothing of it is cached, and both the log and the plugin say so.
    """
    async with running_service(tmp_path, target, verify_sample=1.0) as service:
        name = target.partition(":")[2].lower()
        for run in range(1, MOST_RUNS + 1):
            job = await analyze(service, name, image=PNG + bytes([run]))
            assert job.status is JobStatus.SUCCESS
            await verified(service, run)
            view = await service.catalog.get(name)
            if view.verifications.diverged_count:
                break
        assert view.verifications.diverged_count == 1
        assert view.verifications.diverged_job == job.id
        assert view.verifications.diverged_path.startswith(path)
        assert "diverged" in view.caching_disabled_reason
        assert not (await analyze(service, name, image=PNG + bytes([run]))).cached
        errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert [text for text in errors if job.id in text and view.verifications.diverged_path in text] != []


async def test_a_steady_plugin_stays_cached(tmp_path: Path) -> None:
    """Jobs that were answered from the cache are sampled as well; each verification runs in a fresh worker."""
    async with running_service(tmp_path, "changing:Constant", verify_sample=1.0) as service:
        first = await analyze(service, "constant")
        second = await analyze(service, "constant")
        assert (first.cached, second.cached) == (False, True)
        await verified(service, 2)
        view = await service.catalog.get("constant")
        assert (view.verifications.reproducible_count, view.verifications.diverged_count) == (2, 0)
        assert (view.counters.success_count, view.caching_disabled_reason) == (2, "")
        assert (await analyze(service, "constant")).cached


async def test_a_cached_answer_that_diverges_is_found(tmp_path: Path) -> None:
    """What a first server kept without looking, the next one finds when it is answered."""
    async with running_service(tmp_path, "changing:Clock") as service:
        await analyze(service, "clock")
    async with running_service(tmp_path, "changing:Clock", verify_sample=1.0) as service:
        assert (await analyze(service, "clock")).cached
        await verified(service, 1)
        assert not (await analyze(service, "clock")).cached


async def test_what_promises_nothing_is_not_sampled(tmp_path: Path) -> None:
    """Nor is anything where the rate is 0, nor a job that failed."""
    plugins = ("unsteady:Wavering", "changing:Constant", "Fails")
    async with running_service(tmp_path / "one", *plugins, verify_sample=1.0) as service:
        await analyze(service, "wavering")
        await analyze(service, "fails")
        await analyze(service, "constant")
        await verified(service, 1)
        assert query(service, "SELECT plugin FROM plugin_verification") == [("constant",)]
    async with running_service(tmp_path / "none", "changing:Constant") as service:
        await analyze(service, "constant")
        await service.sampler.stop()
        assert query(service, "SELECT * FROM plugin_verification") == []


async def test_callers_are_not_held_up(tmp_path: Path) -> None:
    """A verification takes no slot: while one goes on, the plugin's only slot is a caller's, and it begins while the
    plugin is idle.
    """
    async with running_service(tmp_path, "Understudy", workers=1, verify_sample=1.0) as service, Stage() as stage:
        first = await submit(service, "understudy", stage.options)
        second = await submit(service, "understudy", stage.options | {"other": True})
        (await stage.enter()).give(n=1)
        later = await stage.enter()
        assert later.job_id == second.id  # no verification of the first has begun
        later.give(n=2)
        again = await stage.enter()
        assert again.job_id == first.id
        third = await submit(service, "understudy", stage.options | {"third": True})
        visit = await stage.enter()
        assert visit.job_id == third.id
        again.give(n=1)
        await verified(service, 1)
        visit.give(n=3)
        for _ in range(2):
            (await stage.enter()).give(n=0)
        await verified(service, 3)


async def test_a_stop_gives_a_verification_up(tmp_path: Path) -> None:
    """It neither waits for it nor records it; its worker ends with the service."""
    async with Stage() as stage:
        async with running_service(tmp_path, "Understudy", verify_sample=1.0) as service:
            await submit(service, "understudy", stage.options)
            (await stage.enter()).give()
            verification = await stage.enter()
        await verification.gone()
        assert query(service, "SELECT * FROM plugin_verification") == []


async def test_a_deleted_job_is_passed_over(tmp_path: Path) -> None:
    """One that waits to be verified and is not there any more."""
    plugins = ("Understudy", "changing:Constant")
    async with running_service(tmp_path, *plugins, verify_sample=1.0) as service, Stage() as stage:
        await submit(service, "understudy", stage.options)
        (await stage.enter()).give()
        verification = await stage.enter()
        job = await analyze(service, "constant")
        await service.analysis.delete(job.id, ANONYMOUS)
        verification.give()
        await verified(service, 1)
        await analyze(service, "constant")
        await verified(service, 2)
        assert query(service, "SELECT sum(unverifiable_count) FROM plugin_verification") == [(0,)]
