"""The result cache: what is kept of a job stands for the runs of equal ones, while it is there and is what it was."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, Job, JobStatus, Principal
from runward_service.domain.limits import CacheLimits
from runward_service.store.images import INLINE_BYTES
from tests.harness.service import (
    PNG,
    analyze,
    ended,
    held_writer,
    history,
    query,
    refusal,
    result_of,
    running_service,
    submit,
    turns_until,
)
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

PLUGINS = ("Understudy", "Puppet", "changing:Clock", "changing:Constant", "changing:Steady")
pytestmark = pytest.mark.asyncio(loop_scope="module")
PENDING, RUNNING, SUCCESS, FAILED = JobStatus


async def ran(service: Service, stage: Stage, text: str = "once", **fields: Any) -> Job:
    """An understudy's job that ran."""
    submitted = await submit(service, "understudy", stage.options, **fields)
    (await stage.enter()).give(text=text)
    return await ended(service, submitted.id)


async def test_an_equal_job_gets_the_same_output_without_a_run(service: Service) -> None:
    """Also one that is submitted: it goes through all statuses, is counted, and says that it is cached."""
    async with Stage() as stage:
        job = await ran(service, stage)
        before = (await service.catalog.get("understudy")).counters
        again = await analyze(service, "understudy", stage.options)
        later = await ended(service, (await submit(service, "understudy", stage.options)).id)
        assert stage.visits == 1
        assert not job.cached
        for one in (again, later):
            assert (one.status, one.cached, one.attempt) == (SUCCESS, True, 1)
            assert (one.result, one.output_digest) == (job.result, job.output_digest)
            assert one.code_digest == job.code_digest != ""
            assert history(service, one.id) == [(PENDING, 0), (RUNNING, 1), (SUCCESS, 1)]
            assert (await service.analysis.get_job(one.id, ANONYMOUS)).cached
        after = (await service.catalog.get("understudy")).counters
        assert (after.success_count - before.success_count, after.cached_count - before.cached_count) == (2, 2)
        assert (after.mean_us, after.last_used_time_us) == (before.mean_us, before.last_used_time_us)


async def test_what_differs_in_anything_that_counts_runs(service: Service) -> None:
    """Another image, type, option or tenant is another key; labels, priority and timeout are not."""
    async with Stage() as stage:
        await ran(service, stage)
        other = Principal("anonymous", "elsewhere")
        jpeg = {"image": b"\xff\xd8\xff\xe0" + bytes(20), "mime_type": "image/jpeg"}
        for fields in ({"image": PNG + b"2"}, jpeg, {"principal": other}):
            submitted = await submit(service, "understudy", stage.options, **fields)
            (await stage.enter()).give()
            await service.jobs.get_job(submitted.id, None)
        submitted = await submit(service, "understudy", stage.options | {"more": 1})
        (await stage.enter()).give()
        assert not (await ended(service, submitted.id)).cached
        fields = {"labels": {"a": "b"}, "priority": 3, "timeout_us": 1_000_000}
        assert (await ended(service, (await submit(service, "understudy", stage.options, **fields)).id)).cached
        same = Principal("somebody else", "default")
        assert (await analyze(service, "understudy", stage.options, principal=same)).cached


async def test_a_plugin_that_is_not_cacheable_always_runs(service: Service) -> None:
    """Nothing of it is kept."""
    async with Stage() as stage:
        for _ in range(2):
            submitted = await submit(service, "puppet", stage.options)
            (await stage.enter()).give()
            job = await ended(service, submitted.id)
            assert not job.cached
            sql = "SELECT 1 FROM kept_result JOIN job ON job.seq = job_seq WHERE job.id = ?"
            assert query(service, sql, job.id) == []


async def test_only_success_is_kept(service: Service) -> None:
    """An equal job after a failed one runs."""
    async with Stage() as stage:
        submitted = await submit(service, "understudy", stage.options)
        (await stage.enter()).refuse("The lamp is broken.")
        assert (await ended(service, submitted.id)).status is FAILED
        assert not (await ran(service, stage)).cached


async def test_skip_cache_runs_and_renews_what_is_kept(service: Service) -> None:
    """Its own output stands for those that follow; the mark is stored with the job, and goes along with a retry."""
    async with Stage() as stage:
        await ran(service, stage, "old")
        renewed = await ran(service, stage, "new", skip_cache=True)
        assert (renewed.cached, result_of(renewed)) == (False, {"text": "new"})
        assert result_of(await analyze(service, "understudy", stage.options)) == {"text": "new"}
        submitted = await submit(service, "understudy", stage.options, skip_cache=True)
        (await stage.enter()).refuse("Not today.")
        await ended(service, submitted.id)
        retried = await service.analysis.retry(submitted.id, ANONYMOUS, "")
        (await stage.enter()).give()
        assert not (await ended(service, retried.id)).cached


async def test_skip_cache_is_no_part_of_a_request_ids_payload(service: Service) -> None:
    """The same request id gives the job that it made, whatever is said of the cache."""
    job = await analyze(service, "clock", request_id="one")
    assert (await analyze(service, "clock", request_id="one", skip_cache=True)).id == job.id


async def test_a_damaged_output_is_never_answered(service: Service) -> None:
    """Changed in the file, an output is forgotten and the plugin runs; so it is where its digest was changed."""
    async with Stage() as stage:
        job = await ran(service, stage, "good")
        for column, value in (("result", b"\x0a\x00"), ("output_digest", "sha256:0")):
            overwrite(service, job.id, column, value)
            job = await ran(service, stage, "good")
            assert (job.cached, result_of(job)) == (False, {"text": "good"})
        assert (await analyze(service, "understudy", stage.options)).cached


async def test_outputs_that_changed_places_are_never_answered(service: Service) -> None:
    """Each under the other's key, both are forgotten, and the plugin runs."""
    sizes = {size: PNG + bytes(size) for size in (1, 2)}
    jobs = [await analyze(service, "constant", image=image) for image in sizes.values()]
    kept = "SELECT key FROM kept_result JOIN job ON job.seq = job_seq WHERE job.id = ?"
    (one,), (other,) = [query(service, kept, job.id)[0] for job in jobs]
    with closing(sqlite3.connect(service.database.path)) as connection, connection:
        for new, old in ((bytes(32), one), (one, other), (other, bytes(32))):
            connection.execute("UPDATE kept_result SET key = ? WHERE key = ?", (new, old))
    for size, image in sizes.items():
        job = await analyze(service, "constant", image=image)
        assert (job.cached, result_of(job)) == (False, {"size": len(PNG) + size})


def overwrite(service: Service, job_id: str, column: str, value: object) -> None:
    """Change a finished job's row, as only an operator's hand or a broken disk could."""
    with closing(sqlite3.connect(service.database.path)) as connection, connection:
        ((trigger,),) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'job_terminal_is_final'")
        connection.execute("DROP TRIGGER job_terminal_is_final")
        connection.execute(f"UPDATE job SET {column} = ? WHERE id = ?", (value, job_id))
        connection.execute(trigger)


async def test_a_hit_needs_no_slot(tmp_path: Path) -> None:
    """While every slot is taken by slow runs of the plugin, and others wait, an equal job is answered."""
    async with running_service(tmp_path, "Understudy", workers=1) as service, Stage() as stage:
        await ran(service, stage)
        other = stage.options | {"slow": True}
        slow = [await submit(service, "understudy", other | {"number": number}) for number in range(3)]
        visit = await stage.enter()
        assert (await analyze(service, "understudy", stage.options)).cached
        for _ in slow[1:]:
            visit.give()
            visit = await stage.enter()
        visit.give()
        for job in slow:
            assert (await ended(service, job.id)).status is SUCCESS


async def test_a_hit_is_written_once_however_large_its_image(service: Service) -> None:
    """Its creation, start and end wait for one commit together. Where the image's file is gone by then, the caller is
    told to try again, for nothing ran.
    """
    image = PNG + os.urandom(INLINE_BYTES)
    async with Stage() as stage:
        job = await ran(service, stage, image=image)
        for removed in (False, True):
            async with held_writer(service):
                call = asyncio.ensure_future(analyze(service, "understudy", stage.options, image=image))
                await turns_until(lambda: len(service.writer._waiting) == 3)
                if removed:
                    service.jobs._intake._images.path_of(job.image.digest).unlink()
            if removed:
                assert (await refusal(call)).reason is ErrorReason.STORE_UNAVAILABLE
            else:
                assert (await call).cached


async def test_it_outlives_a_restart_and_is_shared_by_processes(tmp_path: Path) -> None:
    """What one service kept, another one on the same folder answers with."""
    async with Stage() as stage:
        async with running_service(tmp_path, "Understudy") as first, running_service(tmp_path, "Understudy") as second:
            await ran(first, stage)
            assert (await analyze(second, "understudy", stage.options)).cached
        async with running_service(tmp_path, "Understudy") as third:
            assert (await analyze(third, "understudy", stage.options)).cached
        assert stage.visits == 1


async def test_nothing_is_kept_where_the_cache_is_off(tmp_path: Path) -> None:
    """Neither answers nor entries; those of before are evicted."""
    async with Stage() as stage:
        async with running_service(tmp_path, "Understudy") as service:
            await ran(service, stage)
            assert query(service, "SELECT count(*) FROM kept_result") == [(1,)]
        async with running_service(tmp_path, "Understudy", cache=CacheLimits(entries=0)) as service:
            await turns_until(lambda: query(service, "SELECT count(*) FROM kept_result") == [(0,)])
            for _ in range(2):
                assert not (await ran(service, stage)).cached
            assert query(service, "SELECT count(*) FROM kept_result") == [(0,)]


async def test_a_deleted_job_is_erased_from_the_cache(tmp_path: Path) -> None:
    """The key goes from the files with it, and an equal job runs; a later job that has the output keeps it."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        first = await ran(service, stage, "a secret that nobody may find")
        second = await analyze(service, "understudy", stage.options)
        ((key,),) = query(service, "SELECT key FROM kept_result")
        await service.analysis.delete(first.id, ANONYMOUS)
        third = await analyze(service, "understudy", stage.options)
        assert (second.cached, third.cached) == (True, True)
        for job in (second, third):
            await service.analysis.delete(job.id, ANONYMOUS)
        files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        assert files
        assert not any(key in content or b"secret that nobody" in content for content in files)
        assert not (await ran(service, stage)).cached


@pytest.mark.parametrize("pause", [0.0, 60.0])
async def test_what_is_kept_goes_over_to_the_newest_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    """After a while, and at the latest when the server stops; with all answers of that time in one commit."""
    monkeypatch.setattr("runward_service.store.kept_renewals.PAUSE_SECONDS", pause)
    owner = "SELECT job.id FROM kept_result JOIN job ON job.seq = job_seq"
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        first = await ran(service, stage)
        jobs = [await analyze(service, "understudy", stage.options) for _ in range(3)]
        if pause:
            assert query(service, owner) == [(first.id,)]
        else:
            await turns_until(lambda: query(service, owner) == [(jobs[-1].id,)])
    assert query(service, owner) == [(jobs[-1].id,)]


async def test_an_older_job_does_not_take_what_a_newer_one_has(service: Service) -> None:
    """An output that was made anew stays, though an answer with the one before it is written after it."""
    async with Stage() as stage:
        await ran(service, stage, "old")
        assert (await analyze(service, "understudy", stage.options)).cached
        await ran(service, stage, "new", skip_cache=True)
        service.kept_results.renewals.write()
        await service.store.flush()
        assert result_of(await analyze(service, "understudy", stage.options)) == {"text": "new"}


async def test_what_was_asked_for_longest_ago_is_evicted(tmp_path: Path) -> None:
    """By number, and by the bytes of the outputs."""
    async with running_service(tmp_path, "Understudy") as service, Stage() as stage:
        for number in range(4):
            submitted = await submit(service, "understudy", stage.options | {"number": number})
            (await stage.enter()).give(text="x" * 1000)
            await ended(service, submitted.id)
        assert (await analyze(service, "understudy", stage.options | {"number": 0})).cached
        assert await service.kept_results.evict(CacheLimits(entries=2)) == 2
        assert await service.kept_results.evict(CacheLimits(entries=2)) == 0
        for number in (3, 0):
            assert (await analyze(service, "understudy", stage.options | {"number": number})).cached
        assert await service.kept_results.evict(CacheLimits(size_bytes=1500)) == 1
        assert (await analyze(service, "understudy", stage.options | {"number": 0})).cached
        assert query(service, "SELECT count(*) FROM kept_result") == [(1,)]


async def test_other_code_runs_anew(tmp_path: Path) -> None:
    """The code digest is part of the key: what other code gave is out of reach."""
    async with running_service(tmp_path, "changing:Steady") as service:
        await analyze(service, "steady")
        assert (await analyze(service, "steady")).cached
        entry = service.registry.get("steady")
        assert entry.description is not None
        entry.description = replace(entry.description, code_digest="sha256:" + "0" * 64)
        for _ in range(2):  # the worker that runs it has another code than that, so nothing is kept under its name
            assert not (await analyze(service, "steady")).cached


async def test_a_divergence_turns_caching_off_for_that_code(tmp_path: Path) -> None:
    """In every process, over restarts, and for what is kept already; the plugin says so."""
    async with running_service(tmp_path, "changing:Clock") as service:
        job = await analyze(service, "clock")
        assert (await analyze(service, "clock")).cached
        assert (await service.catalog.get("clock")).caching_disabled_reason == ""
        async with running_service(tmp_path, "changing:Clock") as other:
            await service.analysis.verify(job.id, ANONYMOUS)
            assert not (await analyze(other, "clock")).cached
        assert not (await analyze(service, "clock")).cached
        assert "diverged" in (await service.catalog.get("clock")).caching_disabled_reason
    async with running_service(tmp_path, "changing:Clock") as service:
        assert not (await analyze(service, "clock")).cached
        assert "diverged" in (await service.catalog.get("clock")).caching_disabled_reason
