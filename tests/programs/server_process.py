"""A `runward serve` of one's own: on a free port, with a temporary data folder, and nothing of it left afterwards."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.programs.processes import die_with_parent, kill, wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "samples"
READY = "runward: serving on "
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
GONE_SECONDS = 5.0
LOG_LINES = 20
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServerError(Exception):
    """The server did not do what it has to; the message tells what, and how its log ends."""


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off a Ctrl-C, SIGTERM or SIGHUP until the block has ended. For the main thread."""
    received: list[int] = []
    # A handler and not SIG_IGN, which a process started meanwhile would inherit.
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def plain_environment() -> dict[str, str]:
    """Give the caller's environment without what would set options of a server, or of its gRPC."""
    return {key: text for key, text in os.environ.items() if not key.startswith(("RUNWARD_", "GRPC_"))}


class ServerProcess:
    """A server with its workers and its folder; use it with ``with``.

    After the block, ``exit_code`` tells how the server ended, ``survivors`` which processes outlived it and were
    killed.
    """

    def __init__(self, *arguments: str, plugins: Sequence[str] = (), grace: float = 10.0) -> None:
        """Serve with more arguments of `runward serve`, and with plugins of tests/samples."""
        self._arguments = [*arguments, "--grace", str(grace)]
        for plugin in plugins:
            self._arguments += ["--plugin", f"sample_plugins:{plugin}"]
        self._mark = f"RUNWARD_PROGRAM={secrets.token_hex(8)}"
        self._process: subprocess.Popen[str]
        self.folder = Path(tempfile.gettempdir())
        self.address = ""
        self.ready_seconds = 0.0
        self.exit_code: int | None = None
        self.survivors: list[int] = []

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def __enter__(self) -> ServerProcess:
        self.folder = Path(tempfile.mkdtemp(prefix="runward-"))
        try:
            self._start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        with uninterrupted():
            self._clean()

    def _start(self) -> None:
        name, _, value = self._mark.partition("=")
        environment = plain_environment() | {
            name: value,
            "XDG_STATE_HOME": str(self.folder / "state"),  # its receipt key, which is to leave nothing in a home
            "PYTHONPATH": os.pathsep.join([str(SAMPLES), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        command = [str(Path(sys.executable).with_name("runward")), "serve", "--listen", "127.0.0.1:0"]
        command += ["--data-dir", str(self.data), *self._arguments]
        start = time.perf_counter()
        with uninterrupted(), self._log.open("wb") as log:
            # In a session of its own: Ctrl-C on the terminal reaches this program alone, which then stops the server.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, that takes no lock
            )
        line = self._first_line()
        self.ready_seconds = time.perf_counter() - start
        if not line.startswith(READY):
            raise ServerError(f"The server did not get ready.\n{self.log_tail()}")
        self.address = line.removeprefix(READY).strip()

    def _first_line(self) -> str:
        """Read the first line that the server prints; empty when it ended, or took too long and was killed."""
        timer = threading.Timer(READY_SECONDS, self._process.kill)
        timer.start()
        try:
            assert self._process.stdout is not None
            return self._process.stdout.readline()
        finally:
            timer.cancel()

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def log_tail(self) -> str:
        """Give the last lines of the server's log."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(["The server's log ends:", *lines[-LOG_LINES:]]) if lines else "The server's log is empty."

    def stop(self) -> None:
        """Ask the server to stop and wait until all of it is gone; kill what is left.

        Raises ServerError when it did not stop cleanly, or left processes behind.
        """
        with uninterrupted():
            self._end()
        if self.exit_code != 0 or self.survivors:
            left = f", and left the processes {self.survivors}" if self.survivors else ""
            raise ServerError(f"On SIGTERM, the server ended with status {self.exit_code}{left}.\n{self.log_tail()}")

    def restart(self) -> None:
        """Stop the server as ``stop`` does, and start it again on its data folder, with a log of its own."""
        self.stop()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self.exit_code = None
        self._start()

    def _end(self) -> None:
        if self.exit_code is not None:
            return
        self._process.terminate()
        try:
            self.exit_code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.exit_code = self._process.wait()
        self.survivors = wait_until_gone(self._mark, GONE_SECONDS)
        kill(self.survivors)

    def _clean(self) -> None:
        if hasattr(self, "_process"):
            self._end()
            assert self._process.stdout is not None
            self._process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
