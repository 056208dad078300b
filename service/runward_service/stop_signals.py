"""What asks a server to stop: SIGTERM, SIGINT, and the end of the process that started it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

logger = logging.getLogger(__name__)


class StopSignals:
    """The requests to stop, as futures: the first asks for a drain, the second for haste."""

    def __init__(self) -> None:
        """Take SIGTERM and SIGINT. Call on the running loop."""
        self._loop = asyncio.get_running_loop()
        self.first: asyncio.Future[None] = self._loop.create_future()
        self.second: asyncio.Future[None] = self._loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.request)

    def watch(self, lifeline: int) -> None:
        """Take the end of a pipe, whose other side the parent holds as long as it lives, for a request too."""
        self._loop.add_reader(lifeline, self._read, lifeline)

    def _read(self, lifeline: int) -> None:
        if os.read(lifeline, 1):
            return
        self._loop.remove_reader(lifeline)
        os.close(lifeline)
        if not self.first.done():
            logger.error("the parent of this server process has ended")
            self.request()

    def request(self) -> None:
        """Ask once more."""
        if not self.first.done():
            logger.info("stopping: running jobs may end; a second signal hurries it")
            self.first.set_result(None)
        elif not self.second.done():
            self.second.set_result(None)
