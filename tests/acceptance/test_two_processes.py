"""Two servers on one data folder: what one stores, watches and cancels the other runs, and outlives it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import runward
from tests.acceptance.conftest import IMAGE
from tests.acceptance.server_process import ServerProcess, gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runward import Client, Job

pytestmark = pytest.mark.asyncio(loop_scope="session")
PLUGINS = ("Gate", "Noop", "Hostile")


@dataclass(slots=True)
class Pair:
    """Two servers with one worker each, and a client of each."""

    folder: Path
    first: ServerProcess
    second: ServerProcess
    a: Client
    b: Client

    async def gated(self, client: Client, name: str) -> Job:
        """Submit a job that waits for the file ``open`` in a folder of that name."""
        (self.folder / name).mkdir(exist_ok=True)
        return await client.submit("gate", b"x", options={"folder": str(self.folder / name)}, **IMAGE)

    def open(self, name: str) -> None:
        """Let the jobs of a folder end."""
        (self.folder / name / "open").touch()

    def owner(self, job_id: str) -> str:
        """The process that runs a job, or ran it."""
        with closing(sqlite3.connect(self.folder / "data" / "runward.db")) as connection:
            return str(connection.execute("SELECT owner FROM job WHERE id = ?", (job_id,)).fetchone()[0])


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    """Start both, the second when the first serves."""
    arguments = ("--workers", "1", "--grace", "1")
    async with (
        ServerProcess(folder / "data", *arguments, plugins=PLUGINS) as first,
        ServerProcess(folder / "data", *arguments, plugins=PLUGINS) as second,
        runward.connect(first.address) as a,
        runward.connect(second.address) as b,
    ):
        yield Pair(folder, first, second, a, b)


async def running(client: Client, job_id: str, attempt: int = 1) -> Job:
    """Wait until a job runs, by a watch."""
    async for job in client.watch(job_id):
        if job.status == "RUNNING" and job.attempt == attempt:
            return job
    raise AssertionError("the job ended")


async def test_the_other_one_runs_and_is_watched_and_cancelled(tmp_path: Path) -> None:
    """A job for which the server that took it has no slot runs at the other one; a watch at the first shows its
    changes, and a cancel there ends it and its worker's run.
    """
    async with pair(tmp_path) as both:
        blocker = await both.gated(both.a, "blocker")
        await running(both.a, blocker.id)
        job = await both.gated(both.a, "elsewhere")
        await running(both.a, job.id)
        owners = {(await client.server_info()).owner_id for client in (both.a, both.b)}
        assert {both.owner(blocker.id), both.owner(job.id)} == owners
        assert both.owner(job.id) == (await both.b.server_info()).owner_id

        watching = asyncio.create_task(end_of(both.a, job.id))
        ended = await both.a.cancel(job.id)
        assert ended.error is not None
        assert (ended.status, ended.error.reason) == ("FAILED", "CANCELLED")
        assert (await watching).revision == ended.revision

        # The slot is free again, and the second's own callers get it.
        assert (await both.b.analyze("noop", b"x", **IMAGE)).status == "SUCCESS"
        both.open("blocker")
        await both.b.result(blocker.id)


async def end_of(client: Client, job_id: str) -> Job:
    """Follow a job to its end."""
    last = None
    async for job in client.watch(job_id):
        last = job
    assert last is not None
    return last


async def test_a_killed_one_is_outlived(tmp_path: Path) -> None:
    """After kill -9 of one server the other, which goes on, runs its submitted jobs again and ends those whose callers
    are gone with it INTERRUPTED; its own jobs are not touched.
    """
    async with pair(tmp_path) as both:
        own = await both.gated(both.a, "own")
        await running(both.a, own.id)
        job = await both.gated(both.b, "lost")
        await running(both.b, job.id)
        pending = await both.b.submit("noop", b"x", **IMAGE)
        caller = asyncio.create_task(both.b.analyze("hostile", b"x", options={"how": "hang"}, **IMAGE))
        left = both.second.descendants()
        (waiting,) = await listed(both.a, "hostile")
        assert waiting.status == "PENDING"

        watching = asyncio.create_task(running(both.a, job.id, attempt=2))
        await both.second.kill()
        with pytest.raises(runward.TransportError):
            await caller
        interrupted = await end_of(both.a, waiting.id)
        assert interrupted.error is not None
        assert (interrupted.attempt, interrupted.error.reason) == (0, "INTERRUPTED")
        both.open("own")
        await watching
        both.open("lost")
        for one, attempt in ((own, 1), (job, 2), (pending, 1)):
            await both.a.result(one.id)
            assert (await both.a.get(one.id)).attempt == attempt
        assert await gone(left)
        assert len(list((tmp_path / "data" / "owners").iterdir())) == 2


async def listed(client: Client, plugin: str) -> list[Job]:
    """The jobs of a plugin, once there is one: an Analyze is written with its next change."""
    found: list[Job] = []
    while not found:
        found = [job async for job in client.list(plugin=plugin)]
    return found


async def test_a_stopped_one_leaves_its_jobs_to_the_other(tmp_path: Path) -> None:
    """What a server that is stopped had not begun, and what it had to give back, the other one runs; a watch at the
    stopped one is told to resume.
    """
    async with pair(tmp_path) as both:
        job = await both.gated(both.b, "given-back")
        await running(both.b, job.id)
        pending = await both.b.submit("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE)
        (tmp_path / "open").touch()
        assert await both.second.stop() == 0
        await both.a.result(pending.id)
        both.open("given-back")
        await both.a.result(job.id)
        assert (await both.a.get(job.id)).attempt == 2
        assert len(list((tmp_path / "data" / "owners").iterdir())) == 2
