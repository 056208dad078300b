"""Rounds of one call under a load: rates, and the processor time that each party spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.made_calls import PythonLoad
from tests.programs.processes import cpu_seconds, descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.bench.child_program import Call
    from tests.bench.made_calls import Load
    from tests.bench.setting import Setting

MICROSECONDS = 1e6


class UnansweredError(Exception):
    """The server counted fewer calls, or more, than the load says were answered; the message tells how many."""


class Meter:
    """Rounds of one call: its rate, and the processor time that each party spent on it, in microseconds per call."""

    def __init__(
        self,
        setting: Setting,
        call: Call,
        servers: Collection[int],
        in_flight: int,
        *,
        load: Load | None = None,
        counted: Callable[[], int] | None = None,
    ) -> None:
        """Measure a call that the processes ``servers`` serve, with the processes below them, so many in flight, under
        the Python load or another one. ``counted`` tells how many such calls the server has answered well.
        """
        self._in_flight = in_flight
        self._load = PythonLoad(setting.load) if load is None else load
        self._call = call
        self._servers = servers
        self._counted = counted
        self.rates: list[float] = []
        self.service_us: list[float] = []
        self.workers_us: list[float] = []
        self.load_us: list[float] = []

    def warm_up(self) -> None:
        """Make some calls for which no time is taken: connections, caches, and what the load learns of the rate."""
        self._load.make(self._call, self._in_flight, 1)

    def round(self, seconds: float) -> None:
        """Measure one round. Raises LoadError or UnansweredError."""
        workers = {below for server in self._servers for below in descendants(server)} - set(self._servers)
        counted = self._counted() if self._counted else 0
        before = cpu_seconds(self._servers), cpu_seconds(workers)
        made = self._load.make(self._call, self._in_flight, seconds)
        self.service_us.append((cpu_seconds(self._servers) - before[0]) * MICROSECONDS / made.count)
        self.workers_us.append((cpu_seconds(workers) - before[1]) * MICROSECONDS / made.count)
        self.rates.append(made.count / made.seconds)
        self.load_us.append(made.cpu_seconds * MICROSECONDS / made.count)
        if self._counted and (found := self._counted() - counted) != made.count:
            raise UnansweredError(f"{made.count} calls of {self._call.method} were answered, {found} of them well")
