"""Analyze with many calls in flight, under a load that takes little of the processor, and under one whose calls are
all different.

h2load sends the same bytes each time, so that the image of all these jobs is one: it is received, hashed and checked
for each, and stored once. The Python load sends each call another image, and takes as much of the processor for a call
as the echo does, which brings the two rates nearer. Without h2load, the Python load alone is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import calls, h2load
from tests.bench.figure import Figure, Target
from tests.bench.h2load import H2Load
from tests.bench.made_calls import PythonLoad
from tests.bench.meter import Meter
from tests.bench.statistics import ratios

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.bench.child_program import LoadProgram
    from tests.bench.made_calls import Load
    from tests.bench.setting import Setting

NAME = "rate"
IN_FLIGHT = 64
TARGET = Target(0.6, at_least=True)


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure all in turns, the order changing, so that none profits from a drift of the machine. Raises LoadError or
    UnansweredError.
    """
    loads: list[Load] = [H2Load()] if h2load.installed() else []
    loads.append(PythonLoad(setting.load))
    pairs = [
        (echo_meter(setting, load), analyze_meter(setting, load, setting.server.address, [setting.server.pid]))
        for load in loads
    ]
    meters = [meter for pair in pairs for meter in pair]
    in_turns(setting, meters, f"{IN_FLIGHT} in flight")
    figures: list[Figure] = []
    for load, (echo, analyze) in zip(loads, pairs, strict=True):
        against = ratios(analyze.rates, echo.rates)
        # What is wanted is wanted of the first load, which disturbs least.
        target = TARGET if load is loads[0] else None
        figures += [
            Figure.of_rounds(NAME, f"Analyze / echo, {IN_FLIGHT} in flight, {load.name}", against, "", target),
            *parts(NAME, echo, analyze, load),
        ]
    return figures


def in_turns(setting: Setting, meters: Sequence[Meter], what: str) -> None:
    """Measure a round of each, and so on, each round in the other order."""
    for meter in meters:
        meter.warm_up()
    for number in range(setting.scale.rounds):
        setting.say(f"{what}, round {number + 1} of {setting.scale.rounds}")
        for meter in meters if number % 2 == 0 else reversed(meters):
            meter.round(setting.scale.rate_seconds)


def echo_meter(setting: Setting, load: Load) -> Meter:
    """Make the meter of the echo, which counts its answers."""
    count = calls.echo_count(setting.echo_address)
    call, servers = calls.echo(setting.echo_address), [setting.echo_pid]
    return Meter(setting, call, servers, IN_FLIGHT, load=load, counted=lambda: int(setting.load.one(count)))


def analyze_meter(setting: Setting, load: Load, address: str, servers: Collection[int]) -> Meter:
    """Make the meter of Analyze; the store counts what ended SUCCESS."""
    call = calls.analyze(address)
    return Meter(setting, call, servers, IN_FLIGHT, load=load, counted=lambda: successes(setting.load, address))


def successes(load: LoadProgram, address: str) -> int:
    """Tell how many jobs of the no-op plugin ended SUCCESS."""
    return calls.metrics(load.one(calls.get_plugin(address))).success_count


def parts(name: str, echo: Meter, analyze: Meter, load: Load) -> list[Figure]:
    """Give the figures that a ratio is made of."""
    return [
        Figure.of_rounds(name, f"echo, {load.name}", echo.rates, "/s"),
        Figure.of_rounds(name, f"Analyze, {load.name}", analyze.rates, "/s"),
        Figure.of_rounds(name, f"CPU per echo, {load.name}: its server", echo.service_us, "µs"),
        Figure.of_rounds(name, f"CPU per Analyze, {load.name}: service", analyze.service_us, "µs"),
        Figure.of_rounds(name, f"CPU per Analyze, {load.name}: workers", analyze.workers_us, "µs"),
        Figure.of_rounds(name, f"CPU per Analyze, {load.name}: load", analyze.load_us, "µs"),
    ]
