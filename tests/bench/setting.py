"""What a measure finds ready: a server, an echo, a load, and a way to say how far it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import runward
from tests.programs.processes import cpu_seconds, descendants

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.child_program import LoadProgram
    from tests.bench.scale import Scale
    from tests.programs.server_process import ServerProcess

SETTLED_CPU = 0.05
"""Seconds of processor time in SETTLE_STEP below which the server and its workers count as idle."""
SETTLE_STEP = 0.5
SETTLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that a measure needs; ``say`` tells the person who waits what is being done."""

    server: ServerProcess
    echo_address: str
    echo_pid: int
    load: LoadProgram
    scale: Scale
    say: Callable[[str], None]


def settle(server: ServerProcess) -> None:
    """Wait until every plugin is ready and all workers are started and idle, for a bounded time."""
    end = time.monotonic() + SETTLE_SECONDS
    with runward.connect_sync(server.address) as rw:
        while any(plugin.state == "LOADED" for plugin in rw.plugins()) and time.monotonic() < end:
            time.sleep(0.1)
    while time.monotonic() < end:
        workers = descendants(server.pid)
        used = cpu_seconds([server.pid, *workers])
        time.sleep(SETTLE_STEP)
        if descendants(server.pid) == workers and cpu_seconds([server.pid, *workers]) - used < SETTLED_CPU:
            return
