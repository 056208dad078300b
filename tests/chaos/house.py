"""The servers of a run: one or more processes on one data folder, each on a port of its own that it keeps."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.server import KNOBS
from tests.programs.processes import children, die_with_parent, kill, wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "samples"
READY = "runward: serving on "
READY_SECONDS = 60.0
STOP_SECONDS = 40.0
GONE_SECONDS = 10.0
MARK = "RUNWARD_CHAOS"


class HouseError(Exception):
    """A server did not do what it has to."""


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """One server that is started again and again."""

    def __init__(self, data: Path, log: Path, knobs: Path, plugins: Sequence[str], mark: str) -> None:
        """Serve a data folder; ``mark`` is a value by which its processes are known."""
        self.port = free_port()
        self._log = log
        self._environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("RUNWARD_")},
            MARK: mark,
            KNOBS: str(knobs),
            "PYTHONPATH": f"{SAMPLES}{os.pathsep}{ROOT}",
        }
        self._command = [sys.executable, "-m", "tests.chaos.server", "--listen", f"127.0.0.1:{self.port}"]
        self._command += ["--data-dir", str(data), "--no-discover", "--workers", "3", "--grace", "2"]
        for plugin in plugins:
            self._command += ["--plugin", f"sample_plugins:{plugin}"]
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id, 0 when it does not run."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else 0

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises HouseError."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._environment,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_SECONDS):
                line = (await self._process.stdout.readline()).decode()
        except TimeoutError:
            line = ""
        if not line.startswith(READY):
            raise HouseError(f"the server on port {self.port} did not get ready (status {self._process.returncode})")

    async def signal(self, number: signal.Signals) -> int:
        """Send it a signal that ends it, and wait for that; its exit status. Raises HouseError when it takes long."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return await self._process.wait()
        except TimeoutError as error:
            raise HouseError(f"the server on port {self.port} did not end on {number.name}") from error

    def keepers(self) -> list[int]:
        """The process ids of its workers' keepers."""
        return children(self.pid) if self.pid else []

    def hosts(self) -> list[int]:
        """The process ids of the processes that run its plugins."""
        return [host for keeper in self.keepers() for host in children(keeper)]


class House:
    """All servers of one data folder."""

    def __init__(self, data: Path, log: Path, knobs: Path, plugins: Sequence[str], count: int) -> None:
        """Prepare so many servers."""
        self._mark = secrets.token_hex(8)
        self.servers = [Server(data, log, knobs, plugins, self._mark) for _ in range(count)]

    async def start(self) -> None:
        """Start all of them."""
        await asyncio.gather(*(server.start() for server in self.servers))

    async def stop(self) -> None:
        """Stop all of them cleanly. Raises HouseError where one does not end well, or leaves processes behind."""
        statuses = await asyncio.gather(*(server.signal(signal.SIGTERM) for server in self.servers))
        left = await asyncio.to_thread(wait_until_gone, f"{MARK}={self._mark}", GONE_SECONDS)
        kill(left)
        if any(statuses) or left:
            raise HouseError(f"the servers ended with {statuses}, processes left: {left}")

    async def destroy(self) -> None:
        """Kill whatever there is, for an end that is no clean one."""
        for server in self.servers:
            if server.pid:
                await server.signal(signal.SIGKILL)
        kill(await asyncio.to_thread(wait_until_gone, f"{MARK}={self._mark}", 2.0))
