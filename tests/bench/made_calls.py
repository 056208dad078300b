"""What a load made of one call: how many, how long that took, and the load's own processor time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tests.bench.child_program import Call, LoadProgram


@dataclass(frozen=True, slots=True)
class MadeCalls:
    """Calls that were all answered; times in seconds."""

    count: int
    seconds: float
    cpu_seconds: float


class Load(Protocol):
    """Makes one call many times, always so many at once."""

    name: str

    def make(self, call: Call, in_flight: int, seconds: float) -> MadeCalls:
        """Make a call for about so many seconds. Raises LoadError where one did not go well."""


class PythonLoad:
    """The load program: each call has other bytes, and its gRPC status is seen."""

    name = "Python load"

    def __init__(self, program: LoadProgram, connections: int = 1) -> None:
        """Share the calls out among so many connections."""
        self._program = program
        self._connections = connections

    def make(self, call: Call, in_flight: int, seconds: float) -> MadeCalls:
        """Make a call for about so many seconds. Raises LoadError where one did not go well."""
        answer = self._program.closed(call, in_flight, seconds=seconds, connections=self._connections)
        return MadeCalls(len(answer["latencies"]), answer["seconds"], answer["cpu_seconds"])
