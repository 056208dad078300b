"""Analyze with many calls in flight: the cores are busy then, so that the processor time spent per call decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import calls
from tests.bench.figure import Figure, Target
from tests.bench.statistics import ratios
from tests.programs.processes import cpu_seconds, descendants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.child_program import Call
    from tests.bench.setting import Setting

NAME = "rate"
IN_FLIGHT = 64
TARGET = Target(0.4, at_least=True)
MICROSECONDS = 1e6


class Meter:
    """Rounds of one call: its rate, and the processor time that each party spent on it, in microseconds per call."""

    def __init__(self, setting: Setting, call: Call, pid: int, in_flight: int = IN_FLIGHT) -> None:
        """Measure a call that the process ``pid`` serves, with the processes below it, so many in flight."""
        self._in_flight = in_flight
        self._setting = setting
        self._call = call
        self._pid = pid
        self.rates: list[float] = []
        self.service_us: list[float] = []
        self.workers_us: list[float] = []
        self.load_us: list[float] = []

    def round(self, seconds: float) -> None:
        """Measure one round."""
        workers = descendants(self._pid)
        before = cpu_seconds([self._pid]), cpu_seconds(workers)
        answer = self._setting.load.closed(self._call, self._in_flight, seconds=seconds)
        made = len(answer["latencies"])
        self.rates.append(made / answer["seconds"])
        self.service_us.append((cpu_seconds([self._pid]) - before[0]) * MICROSECONDS / made)
        self.workers_us.append((cpu_seconds(workers) - before[1]) * MICROSECONDS / made)
        self.load_us.append(answer["cpu_seconds"] * MICROSECONDS / made)


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure both in turns, the order changing, so that neither profits from a drift of the machine."""
    echo = Meter(setting, calls.echo(setting.echo_address), setting.echo_pid)
    analyze = Meter(setting, calls.analyze(setting.server.address), setting.server.pid)
    for meter in (echo, analyze):  # connections, caches
        setting.load.closed(meter._call, IN_FLIGHT, seconds=1)
    for number in range(setting.scale.rounds):
        setting.say(f"{IN_FLIGHT} in flight, round {number + 1} of {setting.scale.rounds}")
        for meter in (echo, analyze) if number % 2 == 0 else (analyze, echo):
            meter.round(setting.scale.rate_seconds)
    return [
        Figure.of_rounds(NAME, f"Analyze / echo, {IN_FLIGHT} in flight", ratios(analyze.rates, echo.rates), "", TARGET),
        Figure.of_rounds(NAME, "echo", echo.rates, "/s"),
        Figure.of_rounds(NAME, "Analyze", analyze.rates, "/s"),
        Figure.of_rounds(NAME, "CPU per echo: its server", echo.service_us, "µs"),
        Figure.of_rounds(NAME, "CPU per Analyze: service", analyze.service_us, "µs"),
        Figure.of_rounds(NAME, "CPU per Analyze: workers", analyze.workers_us, "µs"),
        Figure.of_rounds(NAME, "CPU per Analyze: load", analyze.load_us, "µs"),
    ]
