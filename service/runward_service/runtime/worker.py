"""A worker: ``python -m runward_service.runtime.worker``. Two processes, made by one fork before anything is loaded.

The keeper stays small and imports no plugin. It is the subreaper of all that the plugin starts, so a process that
called ``setsid`` and lost its parent becomes the keeper's child. When the host ends, when the service closes the
lifeline, or
when the service is gone (which closes it too), the keeper kills every descendant and ends. It also watches the memory.

The host loads the plugin and runs it (runward_service.runtime.host).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from typing import NoReturn

from runward_service.runtime.process_tree import (
    children_of,
    descendants_of,
    kill,
    proportional_bytes,
    resident_bytes,
)

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MEMORY_POLL_MS = 50
TREE_POLL_EVERY = 4
READ_BYTES = 4096


class StopKeeper(BaseException):
    """A signal asks the keeper to end its tree."""


def prctl(option: int, value: int) -> None:
    """Set a process attribute. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


def main() -> NoReturn:
    """Fork the host and keep it."""
    parser = argparse.ArgumentParser(prog="runward_service.runtime.worker")
    parser.add_argument("--target", required=True, help="module:Class")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the socket to the service")
    parser.add_argument("--lifeline", type=int, required=True, help="descriptor that ends when the service does")
    parser.add_argument("--folder", required=True, help="temporary folder to make and to remove in the end")
    parser.add_argument("--restless", action="store_true", help="have threads come in another order than mostly")
    arguments = parser.parse_args()
    # Ctrl-C and a terminal that closes are the service's business; its workers end when it says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    for descriptor in (arguments.socket, arguments.lifeline):
        os.set_inheritable(descriptor, False)
    os.mkdir(arguments.folder, 0o700)  # noqa: PTH102 - the keeper loads no more than it needs
    keeper = os.getpid()
    limit_read, limit_write = os.pipe()
    host = os.fork()
    if host == 0:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:  # the keeper died before the line above
            os._exit(1)
        os.close(arguments.lifeline)
        os.close(limit_read)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if arguments.restless:
            from runward_service.runtime.restless_threads import make_threads_restless  # noqa: PLC0415 - as below

            make_threads_restless()
        from runward_service.runtime.host import serve  # noqa: PLC0415 - the keeper never loads it

        serve(arguments.target, socket.socket(fileno=arguments.socket), keeper, limit_write, arguments.folder)
        os._exit(0)
    os.close(arguments.socket)
    os.close(limit_write)
    Keeper(host, arguments.lifeline, limit_read).run()
    from runward_service.runtime.work_folder import remove_tree  # noqa: PLC0415 - not before its end

    remove_tree(arguments.folder)
    sys.exit(0)


class Keeper:
    """Waits for the end of the host or of the service, then ends every descendant."""

    def __init__(self, host: int, lifeline: int, limit_pipe: int) -> None:
        """Keep a host process. The memory limit comes over ``limit_pipe`` once the host has read the plugin's class."""
        self._host = host
        self._lifeline = lifeline
        self._limit_pipe = limit_pipe
        self._limit_bytes = 0
        self._tree = [host]
        self._status: int | None = None
        self._peak_bytes = 0

    def run(self) -> None:
        """Keep until the end; report how the host ended, if the service is there to hear it."""
        signal.signal(signal.SIGTERM, self._stop)
        cause = "closed"
        try:
            cause = self._watch()
        except StopKeeper:
            cause = "terminated"
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self._end_tree()
        self._report(cause)

    def _stop(self, _signal: int, _frame: object) -> None:
        raise StopKeeper

    def _watch(self) -> str:
        poller = select.poll()
        host_fd = os.pidfd_open(self._host)
        for descriptor in (self._lifeline, host_fd, self._limit_pipe):
            poller.register(descriptor, select.POLLIN)
        ticks = 0
        while True:
            ready = {descriptor for descriptor, _ in poller.poll(MEMORY_POLL_MS if self._limit_bytes else None)}
            if self._lifeline in ready and not self._answer_ping():
                return "closed"
            if host_fd in ready:
                return "exited"
            if self._limit_pipe in ready:
                poller.unregister(self._limit_pipe)
                self._limit_bytes = int(os.read(self._limit_pipe, 32) or b"0")
            if ticks % TREE_POLL_EVERY == 0:
                self._tree = descendants_of(os.getpid())
                self._reap()
            ticks += 1
            if self._over_limit():
                return "memory"

    def _answer_ping(self) -> bool:
        """Give back what came over the lifeline; False when that has ended."""
        try:
            ping = os.read(self._lifeline, READ_BYTES)
            return bool(ping) and os.write(self._lifeline, ping) > 0
        except OSError:
            return False

    def _over_limit(self) -> bool:
        if not self._limit_bytes:
            return False
        total = sum(map(resident_bytes, self._tree))
        if total > self._limit_bytes and len(self._tree) > 1:
            # Forked processes share pages, which the sum counts more than once.
            total = sum(map(proportional_bytes, self._tree))
        self._peak_bytes = max(self._peak_bytes, total)
        return total > self._limit_bytes

    def _reap(self) -> bool:
        """Reap what has ended; whether any child is left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._host:
                self._status = status
                self._peak_bytes = max(self._peak_bytes, usage.ru_maxrss * 1024)

    def _end_tree(self) -> None:
        while True:
            for pid in descendants_of(os.getpid()):
                kill(pid)
            if not self._reap():
                return
            if children_of(os.getpid()):
                time.sleep(0.001)

    def _report(self, cause: str) -> None:
        code = os.waitstatus_to_exitcode(self._status) if self._status is not None else 0
        over = self._limit_bytes and self._peak_bytes > self._limit_bytes
        if cause == "exited" and over:
            # The backstop (RLIMIT_DATA) or an allocator that aborts ended the host before the watch looked again.
            cause = "memory"
        report = {"cause": cause, "exit_code": code, "peak_bytes": self._peak_bytes}
        try:
            os.write(self._lifeline, json.dumps(report).encode())
        except OSError:
            return  # the service is gone


if __name__ == "__main__":
    main()
