"""Processes that a case forks: each is waited for, and nothing that descends from it is left."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING

from tests.programs.processes import descendants, die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
GONE_SECONDS = 30.0
PAUSE_SECONDS = 0.001
LIBC = ctypes.CDLL(None)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, so that all of them can be waited for."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def fork(work: Callable[[], None], log: Path) -> int:
    """Do some work in a forked process, what it prints going to a file; its process id. It exits 0, or 1 when the work
    raised.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        die_with_parent()
        print_to(log)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
        traceback.print_exc()
    finally:
        os._exit(status)


def print_to(log: Path) -> None:
    """Have what this process prints go to a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def wait_for(pid: int, seconds: float) -> int | None:
    """The exit status of a child, negative for a signal; None when it took too long and was killed."""
    descriptor = os.pidfd_open(pid)
    try:
        in_time = bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)
    if not in_time:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if in_time else None


def wait_for_orphans() -> list[int]:
    """Wait until no descendant is left; those that are still there after a while, which are killed."""
    end = time.monotonic() + GONE_SECONDS
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(PAUSE_SECONDS)
        except ChildProcessError:
            return []
    left = descendants(os.getpid())
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left
