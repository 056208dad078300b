"""Where the service's threads run: on one processor for a lone caller, wherever they may for all others."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from runward_service.processors import ENOUGH, HOLD_SECONDS, LOOK_SECONDS, PAUSE_SECONDS, Processors
from runward_service.runtime.worker_process import unbound_process

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = os.sched_getaffinity(0)
FEWEST = min(len(ALL), 1)


class Machine:
    """A clock that the test moves, with what this process has computed by it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.computed = 100.0, 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now, process_time=lambda: self.computed)
        monkeypatch.setattr("runward_service.processors.time", clock)

    def calls(self, processors: Processors, count: int, apart: float = 0.001) -> None:
        """Have a lone caller make so many calls."""
        for _ in range(count):
            self.now += apart
            processors.alone()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine's times."""
    return Machine(monkeypatch)


@pytest.fixture
def thread() -> Iterator[threading.Thread]:
    """A thread beside the loop's."""
    end = threading.Event()
    beside = threading.Thread(target=end.wait)
    beside.start()
    yield beside
    end.set()
    beside.join()


def places() -> set[frozenset[int]]:
    """Where the threads of this process may run."""
    return {frozenset(os.sched_getaffinity(int(task.name))) for task in Path("/proc/self/task").iterdir()}


async def test_a_lone_caller_finds_all_threads_on_one_processor(machine: Machine, thread: threading.Thread) -> None:
    """After some calls in a row, and until something else comes."""
    processors = Processors(lambda: False)
    machine.calls(processors, ENOUGH - 1)
    assert places() == {frozenset(ALL)}
    machine.calls(processors, 1)
    (together,) = places()
    assert len(together) == FEWEST
    assert together <= ALL
    processors.company()
    assert places() == {frozenset(ALL)}
    machine.calls(processors, ENOUGH - 1)
    assert places() == {frozenset(ALL)}
    assert thread.is_alive()


async def test_whoever_is_not_alone_spreads_them(machine: Machine) -> None:
    """Another job under way, or a pause between calls: the count begins anew."""
    busy = False
    processors = Processors(lambda: busy)
    machine.calls(processors, ENOUGH)
    busy = True
    machine.calls(processors, 1)
    assert places() == {frozenset(ALL)}
    machine.calls(processors, ENOUGH)
    assert places() == {frozenset(ALL)}
    busy = False
    machine.calls(processors, 3 * ENOUGH, apart=PAUSE_SECONDS)
    assert places() == {frozenset(ALL)}


@pytest.mark.parametrize("reason", ["too busy", "no caller"])
async def test_they_are_looked_after(machine: Machine, reason: str) -> None:
    """They are spread where one processor is not enough, for a while at least, and where the caller is gone."""
    processors = Processors(lambda: False)
    machine.calls(processors, ENOUGH)
    machine.now += LOOK_SECONDS
    machine.computed += LOOK_SECONDS * 0.5
    processors._look()
    assert {len(place) for place in places()} == {FEWEST}
    machine.now += LOOK_SECONDS if reason == "too busy" else 2 * PAUSE_SECONDS
    machine.computed += LOOK_SECONDS if reason == "too busy" else 0.0
    processors._look()
    assert places() == {frozenset(ALL)}
    machine.calls(processors, ENOUGH)
    assert {len(place) for place in places()} == {len(ALL) if reason == "too busy" else FEWEST}
    processors.company()
    machine.now += HOLD_SECONDS
    machine.calls(processors, ENOUGH)
    assert {len(place) for place in places()} == {FEWEST}
    processors.spread()
    assert places() == {frozenset(ALL)}


async def test_a_worker_may_run_everywhere(machine: Machine) -> None:
    """Also one that is started while the threads are together."""
    processors = Processors(lambda: False)
    machine.calls(processors, ENOUGH)
    program = "import os; print(sorted(os.sched_getaffinity(0)))"
    process = await asyncio.to_thread(unbound_process, [sys.executable, "-c", program], stdout=subprocess.PIPE)
    output, _ = await asyncio.to_thread(process.communicate)
    assert output.decode().strip() == str(sorted(ALL))
    processors.spread()
    assert places() == {frozenset(ALL)}
