"""What plugins print, as log lines: one pipe for all workers of a plugin, read with a limit."""

from __future__ import annotations

import asyncio
import logging
import os

LINES_A_SECOND = 200
MAX_LINE = 2_000
READ_BYTES = 64 * 1024


class PluginOutput:
    """The read end of a pipe that is the standard output and error of a plugin's workers."""

    def __init__(self, plugin: str) -> None:
        """Open the pipe and read it on the running loop; lines go to the logger ``runward.plugin.NAME``."""
        self._logger = logging.getLogger(f"runward.plugin.{plugin}")
        self._loop = asyncio.get_running_loop()
        self._read_fd, self.descriptor = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._rest = b""
        self._second = 0.0
        self._lines = 0
        self._dropped = 0
        self._loop.add_reader(self._read_fd, self._read)

    def close(self) -> None:
        """Log what is left and close the pipe."""
        if self.descriptor >= 0:
            self._read()
            self._loop.remove_reader(self._read_fd)
            os.close(self._read_fd)
            os.close(self.descriptor)
            self.descriptor = -1

    def _read(self) -> None:
        try:
            data = os.read(self._read_fd, READ_BYTES)
        except BlockingIOError:
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-MAX_LINE:]
        now = self._loop.time()
        if now - self._second >= 1:
            if self._dropped:
                self._logger.warning("%d more lines were printed and not logged", self._dropped)
            self._second, self._lines, self._dropped = now, 0, 0
        admitted = lines[: max(LINES_A_SECOND - self._lines, 0)]
        self._lines += len(admitted)
        self._dropped += len(lines) - len(admitted)
        for line in admitted:
            self._logger.info("%s", line[:MAX_LINE].decode(errors="backslashreplace"))
