"""One worker as the service sees it: its sockets, its messages, its end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runward_service.runtime.frames import FrameDecoder, FrameError, encode_frame
from runward_service.runtime.heartbeat import HOST, KEEPER, Heartbeat
from runward_service.runtime.process_tree import descendants_of, is_stopped, kill, kill_marked
from runward_service.runtime.sent_run import SentRuns
from runward_service.runtime.work_folder import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runward_service.runtime.plugin_output import PluginOutput
    from runward_service.runtime.sent_run import SentRun

MARK = "RUNWARD_WORKER"
"""The variable by which a worker's descendants are known."""
PROCESSORS = os.sched_getaffinity(0)
"""Those that this process could run on when it began, before its threads may have been gathered on one."""
KILL_GRACE_SECONDS = 3.0
REPORT_SECONDS = 0.25
ANSWERS = frozenset({"result", "failure"})
PING = b"\n"
"""What the keeper gives back; no report holds it."""
SOCKET_BUFFER_BYTES = 1024 * 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How a worker ended, as its keeper reports: ``cause`` is "memory", "exited", "closed", "terminated" or
    "unknown".
    """

    cause: str = "unknown"
    exit_code: int = 0
    peak_bytes: int = 0


class WorkerProcess:
    """A started worker. It makes one run at a time; what it says beside answers comes through ``on_message``."""

    def __init__(
        self,
        target: str,
        on_message: Callable[[WorkerProcess, dict[str, Any]], None],
        output: PluginOutput,
        *,
        restless: bool = False,
    ) -> None:
        """Prepare a worker of the plugin "module:Class"; start it with start. A ``restless`` one has its threads
        pause at random.
        """
        self.target = target
        self._restless = restless
        self._on_message = on_message
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._decoder = FrameDecoder()
        self.runs = SentRuns()
        self.spent = False
        """Whether it takes no further run: it has ended, is being ended, or a run spoilt it."""
        self._transport: asyncio.Transport | None = None
        self._lifeline: socket.socket
        self._popen: subprocess.Popen[bytes]
        self._report = b""
        self._mark = secrets.token_hex(16)
        self._folder = Path(tempfile.gettempdir(), f"runward-worker-{secrets.token_hex(8)}")
        self.exited: asyncio.Future[WorkerEnd] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.idle_since = 0.0
        self.heartbeat = Heartbeat()
        self.code_digest = ""
        """That of the plugin's code as this worker has loaded it."""

    @property
    def pid(self) -> int:
        """The keeper's process id."""
        return self._popen.pid

    async def start(self, environment: Mapping[str, str]) -> None:
        """Start the process. Raises OSError when there are no more processes or descriptors to be had."""
        ours, theirs = socket.socketpair()
        lifeline, their_lifeline = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        try:
            command = [sys.executable, "-m", "runward_service.runtime.worker", "--target", self.target]
            command += ["--socket", str(theirs.fileno()), "--lifeline", str(their_lifeline.fileno())]
            command += ["--folder", str(self._folder), *(["--restless"] if self._restless else [])]
            # In a thread: the loop must not wait for the new program to be loaded.
            self._popen = await asyncio.to_thread(
                unbound_process,
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._output.descriptor,
                stderr=self._output.descriptor,
                pass_fds=(theirs.fileno(), their_lifeline.fileno()),
                start_new_session=True,
                env={**environment, MARK: self._mark},
            )
        except BaseException:
            ours.close()
            lifeline.close()
            raise
        finally:
            theirs.close()
            their_lifeline.close()
        self._lifeline = lifeline
        lifeline.setblocking(False)
        self._loop.add_reader(lifeline, self._read_lifeline)
        ours.setblocking(False)
        transport, _ = await self._loop.create_unix_connection(lambda: WorkerProtocol(self), sock=ours)
        self._transport = transport

    def ping(self, *, idle: bool) -> None:
        """Ask for signs of life: of the keeper, and of the host where it is idle; ``heartbeat`` keeps who answers."""
        if self.spent or self._transport is None or self._transport.is_closing():
            return
        if idle and self.heartbeat.ask(HOST):
            self._transport.write(encode_frame({"type": "ping"}))
        if self.heartbeat.ask(KEEPER):
            with suppress(OSError):  # its end is on its way
                self._lifeline.send(PING)

    @property
    def stopped(self) -> bool:
        """Whether one of its processes is stopped, as by SIGSTOP."""
        return any(map(is_stopped, [self.pid, *descendants_of(self.pid)]))

    def send(self, run: SentRun, frame: bytes) -> None:
        """Send a run's message; the run begins when those before it are over."""
        if self.spent or self._transport is None or self._transport.is_closing():
            # Its end is not told yet where a write found it. Unmarked, it would be given back and taken again at once,
            # for ever, and the loop would not come to hear of it.
            self.spent = True
            run.fail()
            return
        self.runs.add(run)
        self._transport.write(frame)

    def received(self, data: bytes) -> None:
        """Bytes came from the worker. What is no message, or answers what was not asked, ends it."""
        try:
            for meta, body in self._decoder.feed(data):
                if meta.get("type") in ANSWERS:
                    self._answered(meta, body)
                elif meta.get("type") == "artifact":
                    if not self.runs.add_artifact(meta, body):
                        raise FrameError("an artifact of no run")
                elif meta.get("type") == "pong":
                    self.heartbeat.heard(HOST)
                else:
                    self._on_message(self, meta)
        except Exception:  # whatever it sent, it must not end the loop's reading of others
            logger.exception("worker %d of %s sent garbage and is ended", self.pid, self.target)
            self.close()

    def _answered(self, meta: dict[str, Any], body: bytes) -> None:
        self.spent = self.spent or bool(meta.get("tainted"))
        if not self.runs.answer(meta, body):
            raise FrameError("an answer to no run")

    def connection_lost(self) -> None:
        """The worker's socket is closed: the host has ended, or closed it."""
        self.spent = True
        if not self.lost.done():
            self.lost.set_result(None)
        self.runs.fail()

    def close(self) -> None:
        """Let go of the lifeline: the keeper kills all that descends from it, and ends."""
        self.spent = True
        if not self.exited.done():
            try:
                self._lifeline.shutdown(socket.SHUT_WR)
            except OSError:
                return

    async def kill(self) -> WorkerEnd:
        """End the worker with all that descends from it; returns once they are gone."""
        self.close()
        grace = 0.0 if is_stopped(self.pid) else KILL_GRACE_SECONDS
        done, _ = await asyncio.wait([self.exited], timeout=grace)
        if not done:
            # The keeper is stopped or stuck: end its descendants without it.
            logger.warning("the keeper of worker %d does not answer and is killed", self.pid)
            for pid in [*descendants_of(self.pid), self.pid]:
                kill(pid)
        end = await self.exited
        # Its last answers are read before its runs are given up: they tell which of those have begun.
        await asyncio.wait([self.lost], timeout=REPORT_SECONDS)
        if self._transport is not None:
            self._transport.close()
        return end

    async def end(self) -> WorkerEnd:
        """How a worker ended that closed its connection: by itself, or by this call where its processes live on."""
        await asyncio.wait([self.exited], timeout=REPORT_SECONDS)
        return await self.kill()

    def _read_lifeline(self) -> None:
        try:
            data = self._lifeline.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.heartbeat.heard(KEEPER)
            self._report += data.replace(PING, b"")
            return
        self._loop.remove_reader(self._lifeline)
        self._lifeline.close()
        # The keeper has closed its end, so it is ending; its process id is free once it is waited for.
        pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(pidfd, self._reap, pidfd)

    def _reap(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        os.close(pidfd)
        self._popen.wait()
        try:
            end = WorkerEnd(**json.loads(self._report))
        except (ValueError, TypeError):
            end = WorkerEnd()
        if self._report and not self._folder.exists():
            self._end(end)
            return
        # The keeper was killed, and could not end its descendants or remove their folder.
        sweep = self._loop.run_in_executor(None, sweep_up, f"{MARK}={self._mark}", str(self._folder))
        sweep.add_done_callback(lambda _: self._end(end))

    def _end(self, end: WorkerEnd) -> None:
        if not self.exited.done():
            self.exited.set_result(end)


def unbound_process(command: Sequence[str], **settings: Any) -> subprocess.Popen[bytes]:
    """Start a process, from a thread that nothing else runs in meanwhile, that may run on every processor. Raises
    OSError.
    """
    with suppress(OSError):  # some systems do not let a process choose
        os.sched_setaffinity(0, PROCESSORS)
    return subprocess.Popen(command, **settings)  # noqa: S603 - a worker of ours


def sweep_up(mark: str, folder: str) -> None:
    """End the processes whose environment has the mark, and remove what they wrote to their folder."""
    kill_marked(mark)
    remove_tree(folder)


class WorkerProtocol(asyncio.Protocol):
    """Hands bytes and the end of the connection to the worker."""

    def __init__(self, worker: WorkerProcess) -> None:
        """Serve one worker."""
        self._worker = worker

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._worker.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._worker.connection_lost()
