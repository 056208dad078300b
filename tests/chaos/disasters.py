"""What goes wrong, each in one coroutine that also puts it right again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import runward
from runward.errors import RunwardError
from tests.chaos.house import HouseError

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from tests.chaos.disk import SmallDisk
    from tests.chaos.house import House, Server
    from tests.chaos.knobs import Knobs

HOUR_US = 3600 * 1_000_000
RECOVERY_SECONDS = 20.0
LOOK_SECONDS = 0.1
IMAGE = b"\x89PNG\r\n\x1a\n disk full?"
NO_RETRY = runward.RetryPolicy(attempts=1)


class Disasters:
    """Those that can be had on this machine."""

    def __init__(self, house: House, knobs: Knobs, disk: SmallDisk | None, rng: random.Random) -> None:
        """Strike a house; ``disk`` is the disk that its data lies on, where there is one that can be filled."""
        self._house = house
        self._knobs = knobs
        self._disk = disk
        self._rng = rng
        self.kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "kill a server": self.kill_server,
            "kill a worker's host": self.kill_host,
            "kill a worker's keeper": self.kill_keeper,
            "stop and continue a worker": self.stop_worker,
            "restart a server": self.restart_server,
            "hurry a stop": self.hurry_stop,
            "put the clock back": self.put_clock_back,
            "slow fsync": self.slow_disk,
        }
        if disk is not None:
            self.kinds["fill the disk"] = self.fill_disk

    def _server(self) -> Server:
        return self._rng.choice(self._house.servers)

    async def kill_server(self) -> None:
        """SIGKILL, and a start right after."""
        server = self._server()
        await server.signal(signal.SIGKILL)
        await server.start()

    async def restart_server(self) -> None:
        """SIGTERM, which must end well, and a start."""
        server = self._server()
        if status := await server.signal(signal.SIGTERM):
            raise HouseError(f"on SIGTERM the server ended with {status}")
        await server.start()

    async def hurry_stop(self) -> None:
        """Two SIGTERMs."""
        server = self._server()
        os.kill(server.pid, signal.SIGTERM)
        await asyncio.sleep(0.2 * self._rng.random())
        if status := await server.signal(signal.SIGTERM):
            raise HouseError(f"on a second SIGTERM the server ended with {status}")
        await server.start()

    async def kill_host(self) -> None:
        """SIGKILL of a process that runs a plugin."""
        self._strike(self._server().hosts(), signal.SIGKILL)

    async def kill_keeper(self) -> None:
        """SIGKILL of the process that watches over it."""
        self._strike(self._server().keepers(), signal.SIGKILL)

    async def stop_worker(self) -> None:
        """SIGSTOP of a process of a worker, SIGCONT a while later, sometimes after it has been given up."""
        server = self._server()
        pid = self._strike(self._rng.choice((server.hosts, server.keepers))(), signal.SIGSTOP)
        await asyncio.sleep(self._rng.choice((2, 8)) * self._rng.random())
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _strike(self, pids: list[int], number: signal.Signals) -> int:
        if not pids:
            return 0
        pid = self._rng.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    async def put_clock_back(self) -> None:
        """The clock jumps back by up to two hours, and later forward again."""
        self._knobs.turn(clock_us=-int(2 * HOUR_US * self._rng.random()))
        await asyncio.sleep(2 * self._rng.random())
        if self._rng.random() < 0.5:
            self._knobs.turn(clock_us=0)

    async def slow_disk(self) -> None:
        """Each fsync takes up to 300 ms longer for a while."""
        self._knobs.turn(commit_seconds=0.3 * self._rng.random())
        await asyncio.sleep(3 * self._rng.random())
        self._knobs.turn(commit_seconds=0.0)

    async def fill_disk(self) -> None:
        """No room: a submit is refused with a typed error, and health says NOT_SERVING. With room again, submits are
        soon accepted, and health says SERVING.
        """
        assert self._disk is not None
        self._disk.fill()
        address = self._server().address
        async with runward.connect(address, retry=NO_RETRY) as client:
            try:
                await self._refused(client)
                await becomes(client, serving=False)
                await asyncio.sleep(self._rng.random())
            finally:
                self._disk.free()
            async with asyncio.timeout(RECOVERY_SECONDS):
                while not await accepts(client, "again"):  # noqa: ASYNC110 - a client can only ask
                    await asyncio.sleep(LOOK_SECONDS)
            await becomes(client, serving=True)

    async def _refused(self, client: runward.Client) -> None:
        """A few submits may still find room in the log that is there; soon they do not."""
        assert self._disk is not None
        async with asyncio.timeout(RECOVERY_SECONDS):
            while await accepts(client, "full"):
                self._disk.fill()


async def becomes(client: runward.Client, *, serving: bool) -> None:
    """Wait until health says so. Raises HouseError when it does not within RECOVERY_SECONDS."""
    try:
        async with asyncio.timeout(RECOVERY_SECONDS):
            while (await client.health() == "SERVING") is not serving:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        raise HouseError(f"health did not become {'' if serving else 'NOT_'}SERVING") from error


async def accepts(client: runward.Client, what: str) -> bool:
    """Whether a submit is accepted. Raises HouseError where it is refused otherwise than with STORE_UNAVAILABLE."""
    try:
        await client.submit("noop", IMAGE, mime_type="image/png", labels={"probe": what}, deadline=10)
    except RunwardError as error:
        if error.reason not in {"STORE_UNAVAILABLE", "PLUGIN_UNAVAILABLE"}:
            raise HouseError(f"with a disk that is {what}, a submit ended {error.reason}: {error}") from error
        return False
    return True
