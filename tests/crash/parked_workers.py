"""Worker processes that wait, already loaded, to be started.

A worker is a process with its own interpreter, which takes a fifth of a second to load: two or three for each of many
hundred cases. Here it is forked from a process that has loaded all that it needs and has neither threads nor a loop
yet, and runs the same ``main`` as ``python -m runward_service.runtime.worker``. The service's side is real in all
else: it starts the worker with a command, descriptors and an environment, and waits for its end.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any

from runward_service.runtime import worker

if TYPE_CHECKING:
    import array
    from collections.abc import Callable, Sequence

MAX_DESCRIPTORS = 8


class ParkedWorkers:
    """Stands in for the class subprocess.Popen."""

    def __init__(self, count: int, on_start: Callable[[int], None]) -> None:
        """Fork and park some; ``on_start`` is called in a worker that starts, with its number from 1."""
        self._parked: list[tuple[int, socket.socket]] = []
        for number in range(count):
            ours, theirs = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                ours.close()
                for _, other in self._parked:
                    other.close()
                wait_for_start(theirs, lambda number=number: on_start(number + 1))
            theirs.close()
            self._parked.append((pid, ours))

    def __call__(
        self, command: Sequence[str], *, stdout: int, stderr: int, pass_fds: Sequence[int], **rest: Any
    ) -> StartedWorker:
        """Start one. Raises OSError when none is left."""
        if not self._parked:
            raise OSError("no parked worker is left")
        pid, channel = self._parked.pop(0)
        message = json.dumps({"arguments": command[3:], "descriptors": list(pass_fds)}).encode()
        socket.send_fds(channel, [message], [stdout, stderr, *pass_fds])
        channel.close()
        return StartedWorker(pid)

    def dismiss(self) -> None:
        """End those that were not started."""
        for pid, channel in self._parked:
            channel.close()
            os.waitpid(pid, 0)
        self._parked = []


class StartedWorker:
    """What the service needs of a Popen."""

    def __init__(self, pid: int) -> None:
        """A process that is a child of this one."""
        self.pid = pid

    def wait(self) -> int:
        """Wait for its end."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def wait_for_start(channel: socket.socket, on_start: Callable[[], None]) -> None:
    """In the parked process: become a worker when told to; end when there is nobody left to tell. Does not return."""
    status = 1
    try:
        message, descriptors, _, _ = socket.recv_fds(channel, 65536, MAX_DESCRIPTORS)
        if message:
            become_worker(json.loads(message), descriptors)
            on_start()
            worker.main()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 0
    except BaseException:  # noqa: BLE001 - as an interpreter would
        traceback.print_exc()
    finally:
        os._exit(status)


def become_worker(start: dict[str, Any], descriptors: array.array[int]) -> None:
    """Take the place of a program that was started with these arguments and descriptors."""
    stdout, stderr, *passed = descriptors
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for as long as the process lives
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    numbers = dict(zip(map(str, start["descriptors"]), map(str, passed), strict=True))
    sys.argv = ["worker", *(numbers.get(word, word) for word in start["arguments"])]
    os.setsid()
