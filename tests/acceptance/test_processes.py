"""``runward serve --processes 2``: one port, one data folder, two servers under one parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager, closing, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import runward
from runward_service.shared_port import SharedPort
from tests.acceptance.conftest import IMAGE
from tests.acceptance.health_watch import NOT_SERVING, health_watch
from tests.acceptance.server_process import ServerProcess, gone
from tests.harness.service import turns_until
from tests.programs.processes import children

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runward import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")
ARGUMENTS = ("--processes", "2", "--workers", "2", "--grace", "5")
PLUGINS = ("Gate", "Noop")
SECONDS = 60.0


@dataclass(slots=True)
class Group:
    """The parent, and a client of each process with that process's owner id."""

    parent: ServerProcess
    clients: tuple[Client, Client]
    owners: tuple[str, str]


async def owner_of(client: Client) -> str:
    """The process that a client's connection came to."""
    return (await client.server_info()).owner_id


@asynccontextmanager
async def one_of_each(parent: ServerProcess) -> AsyncIterator[Group]:
    """Connect until both processes have answered: the kernel shares out connections as it likes."""
    async with runward.connect(parent.address) as first, AsyncExitStack() as stack:
        owner = other = await owner_of(first)
        async with asyncio.timeout(SECONDS):
            while other == owner:
                await stack.aclose()
                second = await stack.enter_async_context(runward.connect(parent.address))
                other = await owner_of(second)
        yield Group(parent, (first, second), (owner, other))


@asynccontextmanager
async def group(folder: Path) -> AsyncIterator[Group]:
    """Start the server and connect to both processes."""
    async with ServerProcess(folder / "data", *ARGUMENTS, plugins=PLUGINS) as parent, one_of_each(parent) as both:
        yield both


async def running(client: Client, job_id: str, attempt: int = 1) -> None:
    """Wait until a job runs, by a watch."""
    async for job in client.watch(job_id):
        if job.status == "RUNNING" and job.attempt == attempt:
            return
    raise AssertionError("the job ended")


def pid_running(folder: Path, job_id: str) -> int:
    """The server process that runs a job."""
    with closing(sqlite3.connect(folder / "data" / "runward.db")) as connection:
        query = "SELECT owner.pid FROM job JOIN owner ON owner.id = job.owner WHERE job.id = ?"
        return int(connection.execute(query, (job_id,)).fetchone()[0])


def options(folder: Path, name: str) -> dict[str, str]:
    """Options of a job that waits for the file ``open`` in a folder of that name."""
    (folder / name).mkdir()
    return {"folder": str(folder / name)}


async def test_every_call_works_at_every_process(tmp_path: Path) -> None:
    """What one process took, the other one answers for, watches to its end, lists and cancels."""
    async with group(tmp_path) as both:
        a, b = both.clients
        job = await a.submit("gate", b"x", options=options(tmp_path, "first"), **IMAGE)
        caller = asyncio.create_task(b.analyze("gate", b"y", options=options(tmp_path, "second"), **IMAGE))
        await running(b, job.id)
        while len([one async for one in a.list(plugin="gate")]) < 2:
            pass
        ended = await b.cancel(job.id)
        assert ended.error is not None
        assert ended.error.reason == "CANCELLED"
        assert (await a.get(job.id)).revision == ended.revision
        (tmp_path / "second" / "open").touch()
        done = await caller
        assert (await a.get(done.id)).result == {"attempt": 1}


async def test_one_that_dies_is_started_again(tmp_path: Path) -> None:
    """Its jobs are run again, the other process's calls and jobs are not touched, and soon both serve again."""
    async with group(tmp_path) as both:
        a, b = both.clients
        caller = asyncio.create_task(a.analyze("gate", b"x", options=options(tmp_path, "own"), **IMAGE))
        job = await b.submit("gate", b"y", options=options(tmp_path, "lost"), **IMAGE)
        await running(a, job.id)
        watching = asyncio.create_task(running(a, job.id, attempt=2))
        os.kill(pid_running(tmp_path, job.id), signal.SIGKILL)
        (tmp_path / "own" / "open").touch()
        assert (await caller).attempt == 1
        await watching
        (tmp_path / "lost" / "open").touch()
        assert await a.result(job.id) == {"attempt": 2}
        async with one_of_each(both.parent) as again:
            assert set(again.owners) != set(both.owners)
            assert (await again.clients[1].analyze("noop", b"z", **IMAGE)).status == "SUCCESS"


async def test_a_stop_ends_all_of_them(tmp_path: Path) -> None:
    """SIGTERM to the parent lets running jobs end and leaves no process; its status is 0."""
    async with group(tmp_path) as both, health_watch(both.parent.address) as health:
        caller = asyncio.create_task(both.clients[0].analyze("gate", b"x", options=options(tmp_path, "last"), **IMAGE))
        while not list((tmp_path / "last").glob("running-*")):
            await owner_of(both.clients[0])
        left = both.parent.descendants()
        stopping = asyncio.create_task(both.parent.stop())
        await health.becomes(NOT_SERVING)
        (tmp_path / "last" / "open").touch()
        assert (await caller).status == "SUCCESS"
        assert await stopping == 0
        assert await gone(left)


async def test_a_killed_parent_takes_them_with_it(tmp_path: Path) -> None:
    """After kill -9 of the parent the processes drain by themselves, and another server gets the port."""
    async with group(tmp_path) as both:
        address, left = both.parent.address, both.parent.descendants()
        assert await both.parent.kill() == -signal.SIGKILL
        assert await gone(left)
    again = ServerProcess(tmp_path / "data", "--listen", address, plugins=PLUGINS)
    async with again:
        assert again.address == address


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_the_port_is_not_shared_with_others(tmp_path: Path, processes: str) -> None:
    """A server alone, and another group, are refused the port of a group, and say what to do."""
    async with ServerProcess(tmp_path / "data", *ARGUMENTS, plugins=PLUGINS) as parent:
        other = ServerProcess(tmp_path / "other", "--processes", processes, "--listen", parent.address)
        with pytest.raises(RuntimeError, match="Choose another port"):
            await other.start()
        assert await other.wait() == 1


async def test_the_port_is_not_shared_before_anyone_listens() -> None:
    """Of two groups that start at once, one gets the port; the other gets it when that one has let go."""
    with SharedPort("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        SharedPort("127.0.0.1", first.port).__enter__()
    with SharedPort("127.0.0.1", first.port) as again:
        assert again.port == first.port


async def test_the_port_is_kept_while_nobody_listens() -> None:
    """A server alone, whose socket does as gRPC's, cannot take it, and the processes of the group can."""
    with SharedPort("127.0.0.1", 0) as kept:
        for options, refused in (((), True), ((socket.SO_REUSEPORT,), False)):
            with socket.socket() as listening:
                for option in (socket.SO_REUSEADDR, *options):
                    listening.setsockopt(socket.SOL_SOCKET, option, 1)
                with pytest.raises(OSError, match="in use") if refused else nullcontext():
                    listening.bind(("127.0.0.1", kept.port))
                    listening.listen()


async def test_a_stop_while_one_is_started_again(tmp_path: Path) -> None:
    """A process that was not ready again when the stop came does not make the stop a failure."""
    async with group(tmp_path) as both:
        before = set(children(both.parent.pid))
        os.kill(min(before), signal.SIGKILL)
        await turns_until(lambda: not before.issuperset(children(both.parent.pid)))
        assert await both.parent.stop() == 0


async def test_the_present_folder_is_not_where_modules_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the parent nor for its processes, whatever files their user has there."""
    (tmp_path / "click.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    async with ServerProcess(tmp_path / "data", *ARGUMENTS, plugins=PLUGINS) as parent:
        assert parent.address


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_any_number_of_signals_is_a_clean_stop(tmp_path: Path, processes: str) -> None:
    """Whoever asks again and again, to the very end, is answered with 0 all the same."""
    server = ServerProcess(tmp_path / "data", "--processes", processes, plugins=PLUGINS)
    async with server:
        ending = asyncio.create_task(server.stop())
        while not ending.done():
            with suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGTERM)
            await asyncio.sleep(0.002)  # so that it gets to do anything else
        assert await ending == 0


async def test_a_hurried_stop_does_not_wait_for_one_that_hangs(tmp_path: Path) -> None:
    """It is killed, which its exit status tells; nothing is left of it."""
    async with group(tmp_path) as both:
        left = both.parent.descendants()
        os.kill(children(both.parent.pid)[0], signal.SIGSTOP)
        stopping = asyncio.create_task(both.parent.stop())
        await turns_until(lambda: both.parent.log.count(b"stopping:") == 2)  # the parent and the other process
        assert await both.parent.stop() == await stopping == 1
        assert await gone(left)


async def test_one_that_cannot_start_stops_the_others(tmp_path: Path) -> None:
    """Where a process cannot start, the parent ends with its status, and the reason is told once."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "runward.db").write_text("this is no database, but a text that somebody put there")
    server = ServerProcess(tmp_path / "data", *ARGUMENTS)
    with pytest.raises(RuntimeError, match="cannot be used as a database"):
        await server.start()
    assert await server.wait() == 1
    assert server.log.count(b"cannot be used as a database") == 1


async def test_a_socket_file_is_not_shared(tmp_path: Path) -> None:
    """Several processes need a port."""
    server = ServerProcess(tmp_path / "data", *ARGUMENTS, "--listen", f"unix:{tmp_path}/socket")
    with pytest.raises(RuntimeError, match="cannot be shared by several processes"):
        await server.start()
    assert await server.wait() == 1
