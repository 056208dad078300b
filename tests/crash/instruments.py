"""The instruments: everything that the service tells its database, its files and its workers passes the probe.

Put on from outside, in the process that is to be killed: the service knows nothing of them.
"""

from __future__ import annotations

import os
import re
import sqlite3
from functools import cache
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from runward_service.runtime import host, worker_process
from runward_service.runtime.frames import HEADER, FrameDecoder, decode_meta
from runward_service.runtime.worker_process import WorkerProcess
from runward_service.store.statements import statements
from tests.crash.point import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.crash.parked_workers import ParkedWorkers
    from tests.crash.probe import Probe

ENDS_TRANSACTION = ("COMMIT", "END")
FILE_FUNCTIONS = (
    "fsync",
    "fdatasync",
    "replace",
    "rename",
    "unlink",
    "link",
    "mkdir",
    "rmdir",
    "truncate",
    "ftruncate",
)
WORDS_OF_A_NAME = 4
COME_UP = {"ready", "unavailable"}


def instrument(probe: Probe, data: Path, parked: ParkedWorkers) -> None:
    """Put the instruments on this process, once."""
    instrument_database(probe)
    instrument_files(probe, data)
    instrument_messages(probe)
    worker_process.subprocess = SimpleNamespace(Popen=parked, DEVNULL=-3)  # type: ignore[attr-defined]


@cache
def named_statements() -> tuple[tuple[str, str], ...]:
    """The service's statements: how each one's text begins, up to where rows are put in, and its name."""
    folder = resources.files("runward_service.store").joinpath("sql")
    named = {
        text.partition("{rows}")[0]: name
        for file in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
        for name, text in statements(file).items()
    }
    return tuple(sorted(named.items(), key=lambda item: -len(item[0])))


@cache
def name_of(sql: str) -> str:
    """The name of a statement; for one that stands in no file its first words."""
    text = sql.strip()
    for beginning, name in named_statements():
        if text == beginning or (len(beginning) < len(text) and text.startswith(beginning)):
            return name
    words = re.sub(r"\s*=.*|--[^\n]*\n?|\(.*", " ", text, flags=re.DOTALL).split()
    return " ".join(words[:WORDS_OF_A_NAME])


def instrument_database(probe: Probe) -> None:
    """Every statement, as SQLite itself tells it, those of triggers too; every commit; every close."""

    class Connection(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.sql = ""
            self.told = 0
            self.set_trace_callback(self.begun)

        def begun(self, text: str) -> None:
            """SQLite begins a statement, or a trigger's within it."""
            if not self.sql:
                name, moment = f"past the instruments {name_of(text)}", "before"
            else:
                name, moment = name_of(self.sql), "within" if self.told else "before"
            self.told += 1
            probe.event(self.kind(), name, moment)

        def kind(self) -> Kind:
            return Kind.COMMIT if self.sql.lstrip().upper().startswith(ENDS_TRANSACTION) else Kind.STATEMENT

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            self.sql, self.told = sql, 0
            try:
                cursor = super().execute(sql, *parameters)
                if self.told:
                    probe.event(self.kind(), name_of(sql), "after")
                return cursor
            finally:
                self.sql = ""

        def close(self) -> None:
            with probe.around(Kind.STATEMENT, "close the connection"):
                super().close()

    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **options: connect(  # type: ignore[assignment]
        *arguments, **{"factory": Connection, **options}
    )


def instrument_files(probe: Probe, data: Path) -> None:
    """Every operation on a file or folder in the data folder that is not SQLite's own."""
    root = str(data)

    def name(operation: str, target: Any) -> str:
        path = Path(f"/proc/self/fd/{target}").readlink() if isinstance(target, int) else os.fspath(target)
        if not str(path).startswith(root):
            return ""
        relative = Path(path).relative_to(root)
        kind = "temporary " if relative.name.startswith(".") else ""
        depth = "folder of " if len(relative.parts) < 2 or Path(path).is_dir() else ""
        return f"{operation} {kind}{depth}{relative.parts[0] if relative.parts else 'data'}"

    def passing(operation: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(target: Any, *arguments: Any, **options: Any) -> Any:
            if not (label := name(operation, target)):
                return original(target, *arguments, **options)
            with probe.around(Kind.FILE, label):
                return original(target, *arguments, **options)

        return call

    for operation in FILE_FUNCTIONS:
        setattr(os, operation, passing(operation, getattr(os, operation)))
    original_open = os.open

    def open_file(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if not flags & os.O_CREAT or options.get("dir_fd") is not None or not (label := name("create", path)):
            return original_open(path, flags, *arguments, **options)
        with probe.around(Kind.FILE, label):
            return original_open(path, flags, *arguments, **options)

    os.open = open_file  # type: ignore[assignment]
    original_pwrite = os.pwrite

    def write_at(descriptor: int, data: Any, offset: int) -> int:
        if not (label := name("write", descriptor)):
            return original_pwrite(descriptor, data, offset)
        half = len(data) // 2
        probe.event(Kind.FILE, label, "before")
        original_pwrite(descriptor, data[:half], offset)
        probe.event(Kind.FILE, label, "within")
        original_pwrite(descriptor, data[half:], offset + half)
        probe.event(Kind.FILE, label, "after")
        return len(data)

    os.pwrite = write_at  # type: ignore[assignment]
    original_fdopen = os.fdopen

    def open_descriptor(descriptor: int, *arguments: Any, **options: Any) -> Any:
        file = original_fdopen(descriptor, *arguments, **options)
        label = name("write", descriptor)
        return WatchedFile(file, lambda moment: probe.event(Kind.FILE, label, moment)) if label else file

    os.fdopen = open_descriptor


class WatchedFile:
    """A file whose writes pass the probe: before, when half is written, after."""

    def __init__(self, file: Any, event: Callable[[str], None]) -> None:
        self._file = file
        self._event = event

    def write(self, data: bytes) -> int:
        """Write, in two halves."""
        self._event("before")
        half = len(data) // 2
        self._file.write(data[:half])
        self._file.flush()
        self._event("within")
        self._file.write(data[half:])
        self._file.flush()
        self._event("after")
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> WatchedFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def type_of(frame: bytes) -> str:
    """What a message is."""
    meta_size, _ = HEADER.unpack_from(frame)
    return str(decode_meta(frame[HEADER.size : HEADER.size + meta_size])["type"])


class WatchedSender:
    """A socket or transport whose messages pass the probe as they are given to it."""

    def __init__(self, sender: Any, passing: Callable[[bytes], AbstractContextManager[None]]) -> None:
        self._sender = sender
        self._passing = passing

    def write(self, frame: bytes) -> None:
        """A transport's."""
        with self._passing(frame):
            self._sender.write(frame)

    def sendall(self, frame: bytes) -> None:
        """A socket's."""
        with self._passing(frame):
            self._sender.sendall(frame)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sender, name)


def instrument_messages(probe: Probe) -> None:
    """Every message between the service and a worker, on the service's side: given to the socket, taken from it."""
    start, received, feed = WorkerProcess.start, WorkerProcess.received, FrameDecoder.feed
    close, end = WorkerProcess.close, WorkerProcess._end

    async def watched_start(self: WorkerProcess, *rest: Any) -> None:
        self._decoder.worker = self  # type: ignore[attr-defined]
        probe.coming.add(self)  # before it can say anything
        try:
            await start(self, *rest)
        except BaseException:
            probe.coming.discard(self)
            raise
        self._transport = WatchedSender(  # type: ignore[assignment]
            self._transport, lambda frame: probe.around(Kind.TO_WORKER, type_of(frame), self.pid)
        )

    def watched_received(self: WorkerProcess, data: bytes) -> None:
        self._decoder.keeper = self.pid  # type: ignore[attr-defined]
        received(self, data)

    def watched_feed(self: Any, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        for meta, body in feed(self, data):
            with probe.around(Kind.FROM_WORKER, meta["type"], self.keeper):
                yield meta, body
            if meta["type"] in COME_UP:
                probe.coming.discard(self.worker)

    def watched_close(self: WorkerProcess) -> None:
        with probe.around(Kind.TO_WORKER, "the end of the lifeline", self.pid):
            close(self)

    def watched_end(self: WorkerProcess, *rest: Any) -> None:
        with probe.around(Kind.FROM_WORKER, "its end", self.pid):
            end(self, *rest)
        probe.coming.discard(self)

    WorkerProcess.start = watched_start  # type: ignore[method-assign, assignment]
    WorkerProcess.received = watched_received  # type: ignore[method-assign]
    FrameDecoder.feed = watched_feed  # type: ignore[method-assign, assignment]
    WorkerProcess.close = watched_close  # type: ignore[method-assign]
    WorkerProcess._end = watched_end  # type: ignore[method-assign]


def instrument_host(probe: Probe, number: int) -> None:
    """In a worker: every message that its host takes from the service or gives to it."""
    probe.in_worker = True
    initialize, receive = host.Host.__init__, host.Host._receive

    def watched_initialize(self: host.Host, connection: Any, *rest: Any) -> None:
        initialize(self, connection, *rest)
        self._connection = WatchedSender(  # type: ignore[assignment]
            connection, lambda frame: probe.around(Kind.IN_WORKER, f"{type_of(frame)} sent by worker {number}")
        )

    def watched_receive(self: host.Host) -> Any:
        message = receive(self)
        if message is not None:
            probe.event(Kind.IN_WORKER, f"{message[0]['type']} received by worker {number}", "after")
        return message

    host.Host.__init__ = watched_initialize  # type: ignore[method-assign, assignment]
    host.Host._receive = watched_receive  # type: ignore[method-assign]
