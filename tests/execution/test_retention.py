"""Retention in a running service: by age, by count, by a job's own wish; never what has not ended."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from runward_service.bootstrap import build
from runward_service.domain.clock import now_us
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS
from runward_service.domain.retention_policy import RetentionPolicy
from runward_service.execution import retention
from runward_service.store.images import INLINE_BYTES
from tests.harness.service import PNG, analyze, ended, query, refusal, running_service, submit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runward_service.config import Config
    from runward_service.service import Service

HOUR_US = 3_600_000_000


@asynccontextmanager
async def keeping(folder: Path, monkeypatch: pytest.MonkeyPatch, **fields: object) -> AsyncIterator[Service]:
    """A service with settings of retention, which looks as often as it can."""
    monkeypatch.setattr(retention, "INTERVAL_SECONDS", 0.0)

    def build_with(config: Config) -> Service:
        return build(dataclasses.replace(config, **fields))  # type: ignore[arg-type]

    monkeypatch.setattr("tests.harness.service.build", build_with)
    async with running_service(folder, "Noop", "Gate", "Fails") as service:
        yield service


async def until_gone(service: Service, job_id: str) -> None:
    """Wait until a job is not there any more."""
    while query(service, "SELECT 1 FROM job WHERE id = ?", job_id):  # noqa: ASYNC110 - the loop's turns
        await asyncio.sleep(0)


async def test_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of finished jobs as many as set are kept, the newest; a pending one is, however old; watchers learn the floor."""
    async with keeping(tmp_path, monkeypatch, retention=RetentionPolicy(HOUR_US, 2)) as service:
        waiting = await submit(service, "gate", {"folder": str(tmp_path)})
        jobs = [await analyze(service, "noop", image=PNG + bytes([n])) for n in range(5)]
        await until_gone(service, jobs[2].id)
        there = {row[0] for row in query(service, "SELECT id FROM job")}
        assert there == {waiting.id, jobs[3].id, jobs[4].id}
        assert (await service.reader.log_floor()) == jobs[2].revision
        assert query(service, "SELECT retain_for, retain_jobs FROM retention") == [(HOUR_US, 2)]
        (tmp_path / "open").touch()
        assert (await ended(service, waiting.id)).result is not None


async def test_a_job_is_kept_as_long_as_it_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job with a short retention of its own goes, with its image's file, and those beside it stay."""
    async with keeping(tmp_path, monkeypatch) as service:
        image = PNG + os.urandom(INLINE_BYTES)
        other = await analyze(service, "noop")
        brief = await submit(service, "noop", image=image, retention_us=1)
        await until_gone(service, brief.id)
        assert (await refusal(service.analysis.get_job(brief.id, ANONYMOUS))).reason is ErrorReason.JOB_NOT_FOUND
        while any(path.is_file() for path in service.database.images.rglob("*")):  # noqa: ASYNC110 - the loop's turns
            await asyncio.sleep(0)
        assert await service.analysis.get_job(other.id, ANONYMOUS)
        assert await service.reader.log_floor() == 0


async def test_old_jobs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended longer ago than the server keeps jobs goes at once, all of it, in steps."""
    async with keeping(tmp_path, monkeypatch) as service:
        jobs = await asyncio.gather(*(analyze(service, "noop", image=PNG + bytes([n])) for n in range(90)))
        seen: list[int] = []
        later = now_us() + 31 * 24 * HOUR_US
        removed = await service.retention.collector.collect(
            service.retention.policy, later, lambda so_far: seen.append(so_far.jobs)
        )
        assert (removed.jobs, removed.images) == (len(jobs), len(jobs))
        assert seen == sorted(seen)
        assert len(seen) > 2
        assert query(service, "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM image)") == [(0, 0)]
        assert (await service.reader.counters())["noop"].success_count == len(jobs)


@pytest.mark.parametrize("retention_us", [-1, 2 * HOUR_US])
async def test_a_retention_past_the_servers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retention_us: int
) -> None:
    """A request may not have its job kept longer than the server allows, or for a negative time; nothing is stored."""
    async with keeping(tmp_path, monkeypatch, max_retention_us=HOUR_US) as service:
        error = await refusal(submit(service, "noop", retention_us=retention_us))
        assert (error.reason, error.details) == (
            ErrorReason.INVALID_FIELD,
            {"field": "retention", "limit_seconds": 3600.0},
        )
        assert query(service, "SELECT count(*) FROM job") == [(0,)]
        assert (await submit(service, "noop", retention_us=HOUR_US)).retention_us == HOUR_US


async def test_a_store_that_takes_nothing_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store refuses for a while, retention waits, the server goes on, and then it is done."""
    async with keeping(tmp_path, monkeypatch, retention=RetentionPolicy(1, 0)) as service:
        refused = asyncio.Event()
        real = service.retention._removal.compact_log

        def refuse(*_: object) -> object:
            refused.set()
            raise GovernedError(ErrorReason.STORE_UNAVAILABLE, "The disk is full.")

        monkeypatch.setattr(service.retention._removal, "compact_log", refuse)
        job = await analyze(service, "noop")
        await refused.wait()
        assert await service.analysis.get_job(job.id, ANONYMOUS)
        monkeypatch.setattr(service.retention._removal, "compact_log", real)
        await until_gone(service, job.id)
