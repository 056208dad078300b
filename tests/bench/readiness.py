"""How long a server takes from its start to the line that says it is ready, with all built-in plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.figure import Figure, Target
from tests.programs.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.scale import Scale

NAME = "ready"
TARGET = Target(1.5)


def measure(scale: Scale, say: Callable[[str], None]) -> Sequence[Figure]:
    """Start servers one after another, each with a new data folder."""
    times = []
    for number in range(scale.starts):
        say(f"start {number + 1} of {scale.starts}")
        with ServerProcess() as server:
            times.append(server.ready_seconds)
    return [Figure.of_rounds(NAME, "start to ready", times, "s", TARGET)]
