"""Runs the no-op jobs of one peer: `python peer.py MODULE FOLDER`, in the environment that has the peers.

Knows nothing of Runward. MODULE has `commands`, which are run first (its broker, its workers; each is running when the
next is asked for), `enqueue`, which gives back once a job is stored, and `unfinished`, which tells how many of so many
jobs have not ended yet. Prints "ready" once some jobs have ended; then, for each line with a number of jobs on standard
input, the seconds until all of them were stored, and until all had ended. Ends with its input.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRODUCERS = 8
"""Threads that enqueue, for what stores several jobs with one fsync."""
WORKERS = 2
"""Processes, as many as Runward has on two processors."""
WARM_UP = 50
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 600.0
STOP_SECONDS = 5.0
FOLDER = "PEER_FOLDER"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def folder() -> Path:
    """Give the folder in which the peer keeps what it stores."""
    return Path(os.environ[FOLDER])


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[None]:
    """Run a program beside this one, in the folder of these files, its output to standard error."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        cwd=Path(__file__).parent,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, that takes no lock
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Jobs:
    """All jobs of one peer so far."""

    def __init__(self, enqueue: Callable[[], object], unfinished: Callable[[int], int]) -> None:
        self._enqueue = enqueue
        self._unfinished = unfinished
        self._total = 0

    def run(self, count: int) -> tuple[float, float]:
        """Enqueue so many and wait for all: the seconds until they were stored, and until they had ended."""
        start = time.perf_counter()
        with ThreadPoolExecutor(PRODUCERS) as pool:
            for _ in pool.map(lambda _: self._enqueue(), range(count)):
                pass
        stored = time.perf_counter() - start
        self._total += count
        while self._unfinished(self._total):
            if time.perf_counter() - start > PATIENCE_SECONDS:
                raise TimeoutError(f"{self._unfinished(self._total)} jobs have not ended")
            time.sleep(POLL_SECONDS)
        return stored, time.perf_counter() - start


def main(name: str, place: str) -> None:
    """Run the jobs of a module."""
    os.environ[FOLDER] = place
    with contextlib.ExitStack() as stack:
        module = importlib.import_module(name)
        for command in module.commands():
            stack.enter_context(running(command))
        jobs = Jobs(module.enqueue, module.unfinished)
        jobs.run(WARM_UP)
        print("ready", flush=True)
        for line in sys.stdin:
            print(*jobs.run(int(line)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
