"""The turn to write: who waits comes next, and nobody who is stopped or dead keeps the others from writing."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runward_service.store.write_turn import LAST_LOOK_SECONDS, WriteTurn
from tests.programs.processes import die_with_parent
from tests.store.held_writer import disable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.store.held_writer import HeldWriter

TAKER = """
import sys
from pathlib import Path
from runward_service.store import write_turn

write_turn.PATIENCE_SECONDS = float(sys.argv[2])
turn = write_turn.WriteTurn(Path(sys.argv[1]) / "owners", Path(sys.argv[1]))
turn.open()
for line in sys.stdin:
    if line == "take\\n":
        print("had" if turn.take() else "not had", flush=True)
    else:
        turn.leave()
        print("left", flush=True)
"""
WRITER = """
import asyncio, sys
from pathlib import Path
from runward_service.store.database import Database
from runward_service.store.loop_connection import LoopConnection
from runward_service.store.writer import GroupCommitWriter

async def main():
    database = Database(Path(sys.argv[1]))
    writer = GroupCommitWriter(database, LoopConnection(database), lambda _: None)
    writer.start()
    await writer.submit(lambda tx: tx.execute("INSERT INTO disabled_plugin VALUES ('other', '', 1)"))
    await writer.close()

asyncio.run(main())
"""


class Taker:
    """A process that takes the turn and leaves it when it is told to."""

    def __init__(self, folder: Path, patience: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", TAKER, str(folder), str(patience)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, that takes no lock
        )

    def ask(self, what: str) -> None:
        """Tell it what to do."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        """Wait until it has done the oldest thing that it was told to do; what came of it."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def do(self, what: str) -> str:
        """Tell it what to do, and wait until it has."""
        self.ask(what)
        return self.answer()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; wait until a stop or an end has come about."""
        self._process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def takers(folder: Path, *patience: float) -> Iterator[list[Taker]]:
    """Processes with so much patience each, in seconds."""
    (folder / "owners").mkdir(exist_ok=True)
    started = [Taker(folder, seconds) for seconds in patience]
    try:
        yield started
    finally:
        for taker in started:
            taker.end()


def wait_until_one_waits(folder: Path) -> None:
    """Wait until a process stands behind the one that has the turn."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(LAST_LOOK_SECONDS)
    finally:
        os.close(descriptor)


def test_who_waits_comes_next(tmp_path: Path) -> None:
    """A process that leaves and comes again at once stands behind the one that waited, however often."""
    with takers(tmp_path, 60.0, 60.0) as pair:
        first, second = pair
        assert first.do("take") == "had"
        second.ask("take")
        for _ in range(20):
            wait_until_one_waits(tmp_path)
            first.ask("leave\ntake")
            assert (second.answer(), first.answer()) == ("had", "left")
            first, second = second, first


def test_a_dead_process_has_no_turn(tmp_path: Path) -> None:
    """Whoever is killed while it has the turn, or waits for it, is out of the way."""
    with takers(tmp_path, 60.0, 60.0, 60.0) as (first, second, third):
        assert first.do("take") == "had"
        second.ask("take")
        wait_until_one_waits(tmp_path)
        second.end()
        third.ask("take")
        wait_until_one_waits(tmp_path)
        first.end()
        assert third.answer() == "had"


def test_a_stopped_process_with_the_turn_costs_one_wait(tmp_path: Path) -> None:
    """The others write without the turn, after a wait once, until it is free again."""
    with takers(tmp_path, 60.0, 0.2) as (first, second):
        assert first.do("take") == "had"
        first.signal(signal.SIGSTOP)
        assert second.do("take") == "not had"
        first.ask("leave")
        first.signal(signal.SIGCONT)
        assert first.answer() == "left"
        assert second.do("take") == "had"


def test_a_stopped_process_that_waits_costs_one_wait(tmp_path: Path) -> None:
    """One that is stopped in the first place behind the turn keeps others from the turn, and not from writing."""
    with takers(tmp_path, 60.0, 60.0, 0.2) as (first, second, third):
        assert first.do("take") == "had"
        second.ask("take")
        wait_until_one_waits(tmp_path)
        second.signal(signal.SIGSTOP)
        assert first.do("leave") == "left"
        assert third.do("take") == "not had"
        second.signal(signal.SIGCONT)
        assert (second.answer(), second.do("leave")) == ("had", "left")
        assert third.do("take") == "had"


def test_after_a_wait_in_vain_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has once waited in vain looks no more than once, until it had the turn again."""
    looks: list[float] = []
    monkeypatch.setattr("runward_service.store.write_turn.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("runward_service.store.write_turn.time.sleep", looks.append)
    turn = WriteTurn(tmp_path / "owners", tmp_path)
    with takers(tmp_path, 60.0) as (other,):
        turn.open()
        assert other.do("take") == "had"
        assert not turn.take()
        monkeypatch.setattr("runward_service.store.write_turn.PATIENCE_SECONDS", 60.0)
        assert not turn.take()
        assert looks == []
        assert other.do("leave") == "left"
        assert turn.take()
        turn.leave()
    turn.close()


def test_alone_there_is_no_turn(tmp_path: Path) -> None:
    """A process that knows of no other asks for nothing."""
    turn = WriteTurn(tmp_path / "owners", tmp_path)
    turn.shared = lambda: False
    with takers(tmp_path, 60.0) as (other,):
        turn.open()
        assert other.do("take") == "had"
        assert not turn.take()
    turn.close()


async def test_no_process_writes_twice_while_another_waits(writer: HeldWriter) -> None:
    """What a process has waiting when its transaction ends is written after what another process had waiting."""
    async with writer.held():
        mine = writer.submit(disable("mine"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(writer.database.folder), preexec_fn=die_with_parent
        )
        await asyncio.to_thread(wait_until_one_waits, writer.database.folder)
    await mine
    assert await process.wait() == 0
    assert writer.rows("SELECT plugin FROM disabled_plugin ORDER BY rowid") == [("other",), ("mine",)]


async def test_a_writer_goes_without_the_turn(
    writer: HeldWriter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a process was stopped while it had the turn, and has not SQLite's lock, others write, and say so once."""
    monkeypatch.setattr("runward_service.store.write_turn.PATIENCE_SECONDS", 0.1)
    with takers(writer.database.folder, 60.0) as (other,):
        assert other.do("take") == "had"
        other.signal(signal.SIGSTOP)
        for name in ("first", "second"):
            assert await writer.submit(disable(name)) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
