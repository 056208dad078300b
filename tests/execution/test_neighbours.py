"""Several processes on one store: each hears of what concerns it, by a wake-up or, where that was lost, by looking."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS, JobStatus
from runward_service.domain.plugin_state import PluginState
from runward_service.execution import neighbours
from runward_service.store.job_reader import JobQuery, SqliteJobReader
from runward_service.store.owner_wakes import ANYTHING, OwnerWakes, Wake
from runward_service.watch.update import Bookmark
from tests.harness.service import analyze, changes, ended, query, running_service, submit, turns_until
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

PENDING, RUNNING, SUCCESS, FAILED = JobStatus
HOURS = 10_000.0


@pytest.fixture(params=["woken", "looking"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wake-ups alone, or none of them: each way has to do."""
    if request.param == "woken":
        monkeypatch.setattr(neighbours, "POLL_SECONDS", HOURS)
    else:
        monkeypatch.setattr(OwnerWakes, "tell", lambda self, wake: None)


@pytest.mark.usefixtures("way")
async def test_a_job_goes_where_a_slot_is_free(tmp_path: Path) -> None:
    """A job that finds no slot in the process that stored it is run by another; a watch there sees all of it."""
    async with (
        Stage() as stage,
        running_service(tmp_path, "SinglePuppet", workers=1) as one,
        running_service(tmp_path, "SinglePuppet", workers=1) as other,
    ):
        first = await submit(one, "single_puppet", stage.options)
        await running_at(first.id, one)
        second = await submit(one, "single_puppet", stage.options)
        updates = changes(one, second.id)
        assert (await anext(updates)).status is PENDING
        visits = {(visit := await stage.enter()).job_id: visit for _ in range(2)}
        owners = dict(query(one, "SELECT id, owner FROM job"))
        assert owners == {first.id: one.info.owner, second.id: other.info.owner}
        for visit in visits.values():
            visit.give()
        assert [update.status async for update in updates] == [RUNNING, SUCCESS]
        await ended(one, first.id)


async def running_at(job_id: str, service: object) -> None:
    """Wait until a service runs a job."""
    await turns_until(lambda: job_id in service.running.jobs)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("way")
async def test_a_cancel_reaches_the_process_that_runs_the_job(tmp_path: Path) -> None:
    """A cancel at one process ends a run of another, and that of a caller who waits there."""
    async with (
        Stage() as stage,
        running_service(tmp_path, "SinglePuppet", workers=1) as one,
        running_service(tmp_path, "SinglePuppet", workers=1) as other,
    ):
        job = await submit(other, "single_puppet", stage.options)
        visit = await stage.enter()
        caller = asyncio.ensure_future(analyze(other, "single_puppet", stage.options))
        page = await other.reader.list_jobs(JobQuery(ANONYMOUS.tenant), 10)
        while len(page.jobs) < 2:  # an Analyze is written with its next change
            page = await other.reader.list_jobs(JobQuery(ANONYMOUS.tenant), 10)
        for found in page.jobs:
            cancelled = await one.analysis.cancel(found.id, ANONYMOUS)
            assert cancelled.error is not None
            assert (cancelled.status, cancelled.error.reason) == (FAILED, ErrorReason.CANCELLED)
        await visit.gone()
        assert (await caller).status is FAILED
        assert {found.id for found in page.jobs} >= {job.id}
        assert stage.visits == 1


@pytest.mark.usefixtures("way")
async def test_a_watch_of_all_jobs_sees_those_of_other_processes(tmp_path: Path) -> None:
    """A watch at one process gets the changes of both, in order of revision, none twice."""
    async with running_service(tmp_path, "Noop") as one, running_service(tmp_path, "Noop") as other:
        seen: list[int] = []
        async with aclosing(one.analysis.watch_jobs(JobQuery(ANONYMOUS.tenant), 0)) as updates:
            assert isinstance(await anext(updates), Bookmark)
            await asyncio.gather(*(analyze(service, "noop") for service in (one, other) for _ in range(10)))
            async for update in updates:
                if not isinstance(update, Bookmark):
                    seen.append(update.job.revision)
                    if len(seen) == 60:
                        break
        assert seen == [row[0] for row in query(one, "SELECT revision FROM job_event ORDER BY revision")]


@pytest.mark.usefixtures("way")
async def test_a_plugin_is_disabled_in_all_processes(tmp_path: Path) -> None:
    """What one process was told to disable, the other refuses too, and runs again when the other was told to."""
    async with running_service(tmp_path, "Noop") as one, running_service(tmp_path, "Noop") as other:
        entry = await one.catalog.come_up("noop")
        await other.catalog.disable("noop", "it lies")
        await turns_until(lambda: entry.state is PluginState.UNAVAILABLE)
        assert entry.state_reason == "disabled: it lies"
        with pytest.raises(GovernedError) as refused:
            await analyze(one, "noop")
        assert refused.value.reason is ErrorReason.PLUGIN_UNAVAILABLE
        await one.catalog.enable("noop")
        await turns_until(lambda: other.registry.get("noop").state is PluginState.INITIALIZED)
        assert (await analyze(other, "noop")).status is SUCCESS


async def test_a_cancel_of_a_job_that_nobody_has(tmp_path: Path) -> None:
    """A running job that was given back, for a plugin that no process has now, is cancelled at once."""
    async with Stage() as stage:
        async with running_service(tmp_path, "SinglePuppet") as service:
            job = await submit(service, "single_puppet", stage.options)
            await stage.enter()
        async with running_service(tmp_path, "Noop") as service:
            cancelled = await service.analysis.cancel(job.id, ANONYMOUS)
            assert cancelled.error is not None
            assert (cancelled.status, cancelled.error.reason) == (FAILED, ErrorReason.CANCELLED)
            assert query(service, "SELECT claimable FROM job") == [(0,)]


async def test_alone_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without neighbours sends nothing and reads nothing for them."""

    def unexpected(*_: object) -> None:
        raise AssertionError

    async with running_service(tmp_path, "Noop") as service:
        monkeypatch.setattr(OwnerWakes, "_address", unexpected)
        monkeypatch.setattr(SqliteJobReader, "data_version", unexpected)
        await analyze(service, "noop")
        await ended(service, (await submit(service, "noop")).id)
        await service.neighbours._poll()
        await service.neighbours._react()


async def test_sockets_and_locks(tmp_path: Path) -> None:
    """A start is told to the others at once, in a folder of any length; a clean stop leaves no file behind."""
    folder = tmp_path / ("long" * 50)
    async with running_service(folder, "Noop") as one:
        async with running_service(folder, "Noop") as other:
            await turns_until(lambda: one.wakes.peers == {other.info.owner})
            assert other.wakes.peers == {one.info.owner}
        assert sorted(path.suffix for path in (folder / "owners").iterdir()) == [".lock", ".sock"]
        descriptor = os.open(folder / "owners" / f"{one.info.owner}.lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
    assert list((folder / "owners").iterdir()) == []


async def test_nonsense_on_the_socket(tmp_path: Path) -> None:
    """Whatever bytes come, they are at most a reason to look."""
    heard: list[Wake] = []
    wakes, sender = OwnerWakes(tmp_path, "one"), OwnerWakes(tmp_path, "two")
    wakes.open()
    sender.open()
    assert sender._socket is not None
    for message in (b"", b"\xff", bytes(500)):
        sender._socket.sendto(message, sender._address("one.sock"))
    wakes.hear(heard.append)
    assert heard == [Wake.STARTED | ANYTHING]
    wakes.close()
    sender.tell(Wake.COMMITTED)  # to one that hears no more
    sender.close()
