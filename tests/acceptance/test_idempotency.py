"""One request, one job: over broken connections, restarts of the server, and two processes on one store."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import pytest

import runward
from tests.acceptance.conftest import IMAGE
from tests.acceptance.server_process import ServerProcess
from tests.harness.service import analyze, query, running_service

if TYPE_CHECKING:
    from pathlib import Path

    from runward import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Cable:
    """A TCP connection to a server that can be cut."""

    def __init__(self, address: str) -> None:
        """Lead to this address."""
        self._host, _, self._port = address.rpartition(":")
        self._writers: list[asyncio.StreamWriter] = []
        self._joins: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.deaf = False
        """Whether nothing comes back from the server any more."""

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Break every connection."""
        self.deaf = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        while self._joins:
            self.cut()
            await asyncio.wait(self._joins)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        join = asyncio.current_task()
        assert join is not None
        self._joins.add(join)
        join.add_done_callback(self._joins.discard)
        self._writers.append(writer)
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        self._writers.append(far_writer)
        await asyncio.gather(self._pipe(reader, far_writer, back=False), self._pipe(far_reader, writer, back=True))
        for end in (writer, far_writer):
            with suppress(ConnectionError):
                await end.wait_closed()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        try:
            while data := await reader.read(65536):
                if not (back and self.deaf):
                    writer.write(data)
        except ConnectionError:
            pass
        writer.transport.abort()


async def until_stored(client: Client, count: int) -> list[runward.Job]:
    """Wait until the server has so many jobs."""
    while len(jobs := [job async for job in client.list()]) < count:
        pass
    return jobs


async def test_an_answer_that_is_lost_with_its_connection(tmp_path: Path) -> None:
    """The server stores a job, or runs one to its end, and its answer is lost: the client's next try gets that job."""
    async with (
        ServerProcess(tmp_path / "data", plugins=("Noop",)) as server,
        runward.connect(server.address) as direct,
        Cable(server.address) as cable,
        runward.connect(cable.address) as client,
    ):
        for number, call in enumerate((client.submit, client.analyze), 1):
            await client.health()
            cable.deaf = True
            waiting = asyncio.create_task(call("noop", b"x", **IMAGE))
            stored = (await until_stored(direct, number))[0]
            await direct.result(stored.id)
            cable.cut()
            assert (await waiting).id == stored.id
        assert len([job async for job in direct.list()]) == 2


async def test_a_connection_that_breaks_under_a_run(tmp_path: Path) -> None:
    """The break hangs up, which cancels the job; the client's next try tells that, and the plugin runs once."""
    async with (
        ServerProcess(tmp_path / "data", plugins=("Gate",)) as server,
        runward.connect(server.address) as direct,
        Cable(server.address) as cable,
        runward.connect(cable.address) as client,
    ):
        waiting = asyncio.create_task(client.analyze("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE))
        while not list(tmp_path.glob("running-*")):
            await direct.health()
        cable.cut()
        with pytest.raises(runward.ExecutionError, match="CANCELLED") as caught:
            await waiting
        assert [job.id async for job in direct.list()] == [caught.value.job_id]
        assert len(list(tmp_path.glob("running-*"))) == 1


async def test_a_server_that_dies_under_a_run(tmp_path: Path) -> None:
    """Kill -9 under an Analyze that is on disk, and a start at the same address: the next try tells INTERRUPTED,
    with the job; it does not run again.
    """
    server = await ServerProcess(tmp_path / "data", plugins=("Gate",)).start()
    policy = runward.RetryPolicy(initial=2.0, longest=30.0)
    async with runward.connect(server.address, retry=policy) as client:
        waiting = asyncio.create_task(client.analyze("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE))
        (job,) = await until_stored(client, 1)
        while not list(tmp_path.glob("running-*")):
            await client.health()
        await server.kill()
        async with ServerProcess(tmp_path / "data", "--listen", server.address, plugins=("Gate",)):
            with pytest.raises(runward.ExecutionError, match="INTERRUPTED") as caught:
                await waiting
            assert caught.value.job_id == job.id
            assert len(list(tmp_path.glob("running-*"))) == 1


async def test_two_processes_and_one_request_id(tmp_path: Path) -> None:
    """Where two services on one store get the same request at once, both answer with one job."""
    async with running_service(tmp_path, "Noop") as one, running_service(tmp_path, "Noop") as other:
        for number in range(20):
            calls = [analyze(service, "noop", request_id=f"both {number}") for service in (one, other)]
            first, second = await asyncio.gather(*calls)
            assert first.id == second.id
            assert first.status.terminal
            assert second.status.terminal
        assert query(one, "SELECT count(*), count(DISTINCT request_id) FROM job") == [(20, 20)]
        assert query(one, "SELECT success_count FROM plugin_counter") == [(20,)]
