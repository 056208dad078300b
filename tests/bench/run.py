"""The run: servers, measures in their order, figures."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench import (
    batch,
    caching,
    growth,
    honesty,
    jobs,
    latency,
    many_peers,
    memory,
    million,
    overload,
    peers,
    pictures,
    processes,
    rate,
    readiness,
    scanning,
    spinning,
    watching,
)
from tests.bench.child_program import ChildProgram, LoadProgram
from tests.bench.setting import Setting, settle
from tests.programs.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from types import ModuleType

    from tests.bench.figure import Figure
    from tests.bench.scale import Scale

IDLE_SERVER = (rate, latency, jobs, caching, pictures)
"""The measures for which the server is started with its defaults."""
PLUGINS = ("Noop", "Echo", "Returns")
SPIN_WORKERS = 8
OWN_SERVER: Mapping[ModuleType, tuple[Sequence[str], Sequence[str]]] = {
    processes: (processes.ARGUMENTS, PLUGINS),
    watching: ((), PLUGINS),
    batch: (("--workers", "2"), (*PLUGINS, "Nap")),
    overload: (overload.ARGUMENTS, (*PLUGINS, "Nap")),
    spinning: (("--workers", str(SPIN_WORKERS)), (*PLUGINS, "Spin")),
    growth: ((), PLUGINS),
    million: (million.ARGUMENTS, PLUGINS),
    peers: ((), PLUGINS),
    many_peers: ((), PLUGINS),
}
"""The measures that have a server to themselves: its arguments and its plugins."""
NO_SERVER = (readiness, scanning)
"""Those that start what they need."""
MEASURES: Mapping[str, ModuleType] = {
    measure.NAME: measure for measure in (*IDLE_SERVER, memory, *OWN_SERVER, *NO_SERVER)
}
"""The modules of all measures, by their names."""
UNUSUAL = frozenset({million.NAME, peers.NAME, many_peers.NAME})
USUAL = [name for name in MEASURES if name not in UNUSUAL]
"""Those of a run that is not asked for others."""


class Run:
    """One run of the benchmark; what it found so far."""

    def __init__(self, scale: Scale, names: Collection[str], say: Callable[[str], None]) -> None:
        """Run the measures of these names at a scale, and say what is being done."""
        self._scale = scale
        self._names = names
        self._say = say
        self.figures: list[Figure] = []
        self.checks: Sequence[str] = ()

    def run(self) -> None:
        """Measure. Raises one of the program's PROBLEMS."""
        # Without another measure of that server, memory is that of a server which has served the checks alone.
        if {measure.NAME for measure in (*IDLE_SERVER, memory)} & set(self._names):
            self._with_idle_server()
        for measure, (arguments, plugins) in OWN_SERVER.items():
            if measure.NAME in self._names:
                with self._setting(*arguments, plugins=plugins) as setting:
                    self.checks = honesty.check(setting)
                    self.figures += measure.measure(setting)
        for measure in NO_SERVER:
            if measure.NAME in self._names:
                self.figures += measure.measure(self._scale, self._say)

    def _with_idle_server(self) -> None:
        with self._setting(plugins=PLUGINS) as setting:
            before = memory.of_service(setting.server.pid)
            self.checks = honesty.check(setting)
            for measure in IDLE_SERVER:
                if measure.NAME in self._names:
                    self.figures += measure.measure(setting)
            if memory.NAME in self._names:
                self.figures += memory.figures(before, memory.of_service(setting.server.pid))

    @contextmanager
    def _setting(self, *arguments: str, plugins: Sequence[str]) -> Iterator[Setting]:
        self._say("starting the servers")
        with ServerProcess(*arguments, plugins=plugins) as server, ChildProgram("echo") as echo, LoadProgram() as load:
            address = echo.read_line()
            settle(server)
            yield Setting(server, address, echo.pid, load, self._scale, self._say)
            self._say("stopping the servers")
            server.stop()
