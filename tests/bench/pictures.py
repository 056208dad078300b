"""Analyze with images as large as photographs, all distinct, sent inline: received, hashed, stored durably, and read
by a worker; against a bare server that takes the same requests and keeps nothing, and against a program that only
writes files as large to the same disk, each followed by fsync: what is durable before it is answered comes no faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import calls
from tests.bench.durable_writes import DurableWrites
from tests.bench.figure import Figure, Target
from tests.bench.meter import Meter
from tests.bench.statistics import ratios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.setting import Setting

NAME = "pictures"
IN_FLIGHT = 16
TARGET = Target(0.6, at_least=True)
SIZES = (("200 KB", 200_000), ("5 MB", 5_000_000))


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure both sizes, each against the bare server in turns, the order changing."""
    figures: list[Figure] = []
    for name, size in SIZES:
        content = calls.image(size)
        bare = Meter(setting, calls.take(setting.echo_address, content), [setting.echo_pid], IN_FLIGHT)
        call = calls.analyze(setting.server.address, content=content)
        analyze = Meter(setting, call, [setting.server.pid], IN_FLIGHT)
        writes = DurableWrites(setting.server.folder, content, IN_FLIGHT)
        for number in range(setting.scale.rounds):
            setting.say(f"images of {name}, {IN_FLIGHT} in flight, round {number + 1} of {setting.scale.rounds}")
            for meter in (bare, writes, analyze) if number % 2 == 0 else (analyze, writes, bare):
                meter.round(setting.scale.rate_seconds)
        figures += [
            Figure.of_rounds(NAME, f"Analyze / bare server, {name}", ratios(analyze.rates, bare.rates), "", TARGET),
            Figure.of_rounds(NAME, f"Analyze / bare durable writes, {name}", ratios(analyze.rates, writes.rates)),
            Figure.of_rounds(NAME, f"bare server, {name}", bare.rates, "/s"),
            Figure.of_rounds(NAME, f"bare durable writes, {name}", writes.rates, "/s"),
            Figure.of_rounds(NAME, f"Analyze, {name}", analyze.rates, "/s"),
            Figure.of_rounds(NAME, f"CPU per bare durable write of {name}", writes.cpu_us, "µs"),
            Figure.of_rounds(NAME, f"CPU per Analyze of {name}: service", analyze.service_us, "µs"),
            Figure.of_rounds(NAME, f"CPU per Analyze of {name}: workers", analyze.workers_us, "µs"),
            Figure.of_rounds(NAME, f"CPU per Analyze of {name}: load", analyze.load_us, "µs"),
        ]
    return figures
