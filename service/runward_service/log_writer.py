"""The log, to standard error, from a thread of its own, so that a reader who is slow never holds up the loop."""

from __future__ import annotations

import atexit
import logging
import logging.handlers
import os
import queue
import sys
import threading

MAX_RECORDS = 10_000
FLUSH_SECONDS = 1.0
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LogWriter(logging.handlers.QueueHandler):
    """Formats a record where it is logged and hands it to the thread; drops it, and counts, when the queue is full."""

    def __init__(self) -> None:
        """Start the thread."""
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_RECORDS)
        super().__init__(self._lines)
        self._dropped = 0
        self._descriptor = sys.stderr.fileno()
        self._thread = threading.Thread(target=self._write, name="runward-log", daemon=True)
        self._thread.start()
        atexit.register(self.finish)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1

    def finish(self) -> None:
        """Wait, a moment at most, until what is queued is written."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(FLUSH_SECONDS)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            if self._dropped:
                line = f"{line}\n{self._dropped} more lines were dropped: the log is read too slowly"
                self._dropped = 0
            data = f"{line}\n".encode(errors="backslashreplace")
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                return  # nobody reads the log any more


def start_logging(level: str) -> None:
    """Log from this level ("info", …) on."""
    writer = LogWriter()
    writer.setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[writer])
