"""Analyze with two server processes on one port, from several connections: against the echo, and against one
process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import h2load
from tests.bench.figure import Figure, Target
from tests.bench.h2load import H2Load
from tests.bench.made_calls import PythonLoad
from tests.bench.rate import analyze_meter, echo_meter, in_turns, parts
from tests.bench.setting import settle
from tests.bench.statistics import ratios
from tests.programs.processes import children
from tests.programs.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.setting import Setting

NAME = "processes"
PROCESSES = 2
CONNECTIONS = 8
"""The kernel shares them out by their ports: with few, all may come to one process."""
ARGUMENTS = ("--processes", str(PROCESSES))
AIM = Target(0.6, at_least=True, aim=True)


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure the server of the setting, which has the processes, beside one that is one process, and beside the echo.
    Raises LoadError, UnansweredError or ServerError.
    """
    load = H2Load(CONNECTIONS) if h2load.installed() else PythonLoad(setting.load, CONNECTIONS)
    group = setting.server.pid
    with ServerProcess(plugins=("Noop",)) as single:
        settle(single)
        echo = echo_meter(setting, load)
        one = analyze_meter(setting, load, single.address, [single.pid])
        several = analyze_meter(setting, load, setting.server.address, [group, *children(group)])
        in_turns(setting, (echo, one, several), f"{PROCESSES} processes, {CONNECTIONS} connections")
        single.stop()
    against, named = ratios(several.rates, echo.rates), f"{PROCESSES} processes"
    return [
        Figure.of_rounds(NAME, f"Analyze, {named} / echo, {CONNECTIONS} connections, {load.name}", against, "", AIM),
        Figure.of_rounds(NAME, f"Analyze, {named} / one process", ratios(several.rates, one.rates)),
        Figure.of_rounds(NAME, f"Analyze, one process, {load.name}", one.rates, "/s"),
        *parts(NAME, echo, several, load),
    ]
