"""A point in the life of a job at which a process can be killed."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

ENDS = {"its end", "the end of the lifeline"}
"""Messages after which a worker has nothing left that could be killed."""


class Kind(StrEnum):
    """What happens at a point."""

    STATEMENT = "statement"
    COMMIT = "commit"
    FILE = "file"
    TO_WORKER = "to worker"
    FROM_WORKER = "from worker"
    IN_WORKER = "in worker"


class Victim(StrEnum):
    """Which process is killed."""

    SERVICE = "service"
    HOST = "host"
    KEEPER = "keeper"


class Point(NamedTuple):
    """The moment before, within or after the nth event of a name, counted since the life began."""

    kind: Kind
    name: str
    moment: str
    number: int

    def __str__(self) -> str:
        """The point as it is named on the command line and in reports."""
        return f"{self.kind}/{self.name}/{self.moment}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """The point that str gave. Raises ValueError."""
        kind, name, moment, number = text.split("/")
        return cls(Kind(kind), name, moment, int(number))

    @property
    def victims(self) -> tuple[Victim, ...]:
        """Which processes can be killed there: at a message, the worker's two besides the service."""
        if self.kind is Kind.IN_WORKER:
            return Victim.HOST, Victim.KEEPER
        if self.kind in {Kind.TO_WORKER, Kind.FROM_WORKER} and self.name not in ENDS:
            return Victim.SERVICE, Victim.HOST, Victim.KEEPER
        return (Victim.SERVICE,)


class Case(NamedTuple):
    """A point of a life, and which process is killed there."""

    life: str
    point: Point
    victim: Victim

    def __str__(self) -> str:
        """The case as it is named on the command line and in reports."""
        return f"{self.life}:{self.point}:{self.victim}"

    @classmethod
    def parse(cls, text: str) -> Case:
        """The case that str gave. Raises ValueError."""
        life, point, victim = text.split(":")
        return cls(life, Point.parse(point), Victim(victim))
