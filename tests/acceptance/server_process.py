"""The real server as a process of its own, for tests and programs that talk to it over its port."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.harness.service import VARIABLES

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
READY = "runward: serving on "


class ServerProcess:
    """One run of ``runward serve`` on a data folder."""

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        plugins: tuple[str, ...] = (),
        discover: bool = False,
        python: Path = Path(sys.executable),
    ) -> None:
        """Name the folder, further arguments, the sample plugins (class names) to load, and the environment that the
        server is installed in, by its interpreter.
        """
        self._command = [str(python.with_name("runward")), "serve", "--listen", "127.0.0.1:0"]
        self._command += ["--data-dir", str(data_dir), "--discover" if discover else "--no-discover"]
        for plugin in plugins:
            self._command += ["--plugin", plugin if ":" in plugin else f"sample_plugins:{plugin}"]
        self._command += arguments
        self.data_dir = data_dir
        self.address = ""
        self.log = b""
        self._log_task: asyncio.Task[None]
        self._process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    async def start(self) -> ServerProcess:
        """Start it and wait until it is ready. Raises RuntimeError with its log when it is not."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": str(SAMPLES),
                "PYTHONWARNINGS": "default",
                "RUNWARD_WORKER_VARIABLES": " ".join(VARIABLES),
            },
        )
        self._log_task = asyncio.create_task(self._read_log())
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        if not line.startswith(READY):
            await self._log_task
            raise RuntimeError(f"the server did not start: {line!r} {self.log.decode()}")
        self.address = line.removeprefix(READY).strip()
        return self

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(65536):
            self.log += chunk

    async def wait(self) -> int:
        """Wait for its end; its exit status."""
        status = await self._process.wait()
        await self._log_task
        return status

    async def stop(self) -> int:
        """Ask for a clean stop and wait for it."""
        return await self.end_with(signal.SIGTERM)

    async def kill(self) -> int:
        """Kill it, as a crash would."""
        return await self.end_with(signal.SIGKILL)

    async def end_with(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; its exit status."""
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self.wait()

    def descendants(self) -> set[int]:
        """Every process that descends from it."""
        found: list[int] = [self.pid]
        for pid in found:
            for children in Path("/proc").glob(f"{pid}/task/*/children"):
                found += map(int, children.read_text().split())
        return set(found[1:])

    async def __aenter__(self) -> ServerProcess:
        return await self.start()

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()


def alive(pid: int) -> bool:
    """Whether a process exists and has not ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def gone(pids: set[int]) -> bool:
    """Wait, five seconds at most, until none of the processes is left; whether none is."""
    loop = asyncio.get_running_loop()
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            async with asyncio.timeout(5):
                await ended.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    return True
