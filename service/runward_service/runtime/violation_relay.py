"""Tells the service of governance violations in a worker, so that they stand in the service's own log."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_A_JOB = 20
MAX_TEXT = 4_000
"""Of the stack, the end is kept: there the violation stands."""
STDERR = 2


class ViolationRelay(logging.Handler):
    """The handler of the logger ``runward.governance`` in a worker, whatever the plugin does to other loggers."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        """Send through a function that takes a message's meta."""
        super().__init__()
        self._send = send
        self._process = os.getpid()
        self._job_id = ""
        self._left = MOST_A_JOB

    def begin_job(self, job_id: str) -> None:
        """What comes now belongs to this job, of which the first twenty violations are told."""
        self._job_id, self._left = job_id, MOST_A_JOB

    def emit(self, record: logging.LogRecord) -> None:
        """Send one violation; in a process that the plugin forked, print it, for the socket is not that process's."""
        text = f"{record.getMessage()}\n{(record.stack_info or '')[-MAX_TEXT:]}"
        if os.getpid() != self._process:
            os.write(STDERR, f"{text}\n".encode(errors="backslashreplace"))
        elif self._left > 0:
            self._left -= 1
            with contextlib.suppress(OSError):  # the service is gone, and the worker ends with it
                self._send({"type": "violation", "job_id": self._job_id, "message": text})
