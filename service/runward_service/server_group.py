"""ServerGroup: several server processes on one port and one data folder, and the parent that looks after them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from runward_service.listen_address import ListenError, check_address
from runward_service.shared_port import SharedPort
from runward_service.stop_signals import StopSignals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 5.0
"""A process that cannot live costs a start of about a second of processor time so often. One that is killed now and
then is not to be missed for longer: all of them may be killed, and clients give up.
"""
STEADY_SECONDS = 10.0
"""A process that lived so long is started again at once; the pause before others doubles from one to the next."""
HASTE_SECONDS = 10.0
"""How long a hurried stop may take. A process that has not ended by then hangs or is stopped, and is killed."""

logger = logging.getLogger(__name__)


class ServerGroup:
    """Starts the processes, starts one again that ended by itself, and stops all of them.

    Each is a whole server. What one takes, the others see in the store: they list, watch and cancel it, run what waits,
    and look after the jobs of one that died, as servers on one data folder do.
    """

    def __init__(self, arguments: Sequence[str], processes: int, workers: int) -> None:
        """Run ``runward`` with these arguments (those of ``serve``) so many times, with so many runs at once in all."""
        self._arguments = list(arguments)
        self._shares = [max(workers // processes + (number < workers % processes), 1) for number in range(processes)]
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._ready = [asyncio.Event() for _ in self._shares]
        self._stop: StopSignals

    async def serve(self, listen: str, on_ready: Callable[[str], None]) -> int:
        """Serve until SIGTERM or SIGINT; the exit status, 0 for a clean stop of all.

        ``on_ready`` gets the address once all processes take calls. Raises ListenError.
        """
        host, _, port = check_address(listen).rpartition(":")
        if not host or listen.startswith("unix:"):
            raise ListenError(
                f"{listen} cannot be shared by several processes; listen on HOST:PORT, such as 127.0.0.1:0"
            )
        self._stop = StopSignals()
        try:
            with SharedPort(host, int(port)) as shared:
                return await self._serve(f"{host}:{shared.port}", on_ready)
        except OSError as error:
            raise ListenError(
                f"{listen} cannot be listened on; is another server there? Choose another port."
            ) from error

    async def _serve(self, address: str, on_ready: Callable[[str], None]) -> int:
        keepers = [asyncio.ensure_future(self._keep(number, address)) for number in range(len(self._shares))]
        announcing = asyncio.ensure_future(self._announce(address, on_ready))
        hurrying = asyncio.ensure_future(self._pass_on())
        try:
            return max(await asyncio.gather(*keepers))
        finally:
            for task in (announcing, hurrying, *keepers):
                task.cancel()
            await asyncio.gather(announcing, hurrying, *keepers, return_exceptions=True)

    async def _announce(self, address: str, on_ready: Callable[[str], None]) -> None:
        for ready in self._ready:
            await ready.wait()
        on_ready(address)

    async def _pass_on(self) -> None:
        """Hand each request to stop on to every process; see to it that a hurried stop ends."""
        for request in (self._stop.first, self._stop.second):
            await asyncio.wait([request])
            self._signal(signal.SIGTERM)
        await asyncio.sleep(HASTE_SECONDS)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._running.values():
            if process.returncode is None:
                process.send_signal(number)

    async def _keep(self, number: int, address: str) -> int:
        """Have one process running until the group stops; 0 where it then ended cleanly, else 1."""
        if number:  # the first one makes the data folder, and checks the code, for all of them
            await self._either(self._ready[0])
        pause, loop = FIRST_PAUSE_SECONDS, asyncio.get_running_loop()
        while not self._stop.first.done():
            began = loop.time()
            status, ready = await self._run(number, address)
            if self._stop.first.done():
                # Before it is ready it need not heed the signal.
                return 0 if status == 0 or (not ready and status == -signal.SIGTERM) else 1
            if not self._ready[number].is_set():  # it has said why
                self._stop.request()
                return 1
            logger.error(
                "server process %d of %d ended with %d and is started again", number + 1, len(self._ready), status
            )
            steady = loop.time() - began >= STEADY_SECONDS
            pause = FIRST_PAUSE_SECONDS if steady else min(2 * pause, LAST_PAUSE_SECONDS)
            await asyncio.wait([self._stop.first], timeout=pause)
        return 0

    async def _either(self, event: asyncio.Event) -> None:
        """Wait for an event, or for the request to stop."""
        waiting = asyncio.ensure_future(event.wait())
        either: list[asyncio.Future[Any]] = [waiting, self._stop.first]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def _run(self, number: int, address: str) -> tuple[int, bool]:
        """Run one process to its end; how it ended (its exit status, or a signal's number below zero), and whether it
        had taken calls.
        """
        lifeline, ours = os.pipe()
        try:
            arguments = [*self._arguments, "--listen", address, "--workers", str(self._shares[number])]
            arguments += ["--processes", "1", "--lifeline", str(lifeline)]
            # In a session of its own: Ctrl-C on the terminal reaches the parent alone, which passes it on once.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # as the command itself: what lies in the present folder is no module of ours
                "-m",
                "runward",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(lifeline,),
                start_new_session=True,
            )
            os.close(lifeline)
            lifeline = -1
            self._running[number] = process
            if self._stop.first.done():
                process.terminate()
            assert process.stdout is not None
            ready = bool(await process.stdout.readline())
            if ready:
                logger.info("server process %d of %d takes calls, pid %d", number + 1, len(self._ready), process.pid)
                self._ready[number].set()
            return await process.wait(), ready
        finally:
            os.close(ours)
            if lifeline >= 0:
                os.close(lifeline)
