"""A kind of life: how it is played, and what its jobs may come to however often it is cut short."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.crash.scene import TARGETS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.crash.scene import Scene

SUCCESS = "SUCCESS"
NEVER_SECONDS = 3600.0
"""What happens again and again by the clock does not happen in a life that is not about it: how often it did would hang
on how fast the machine is.
"""


@dataclass(frozen=True)
class Life:
    """One life of one job or a few.

    ``prepare`` happens before the points count, ``play`` while they do; both run in the process that is killed.
    ``ends`` tells by a job's name what it comes to when nobody is killed: SUCCESS or the reason of its failure.
    ``cut_ends`` tells what it may come to besides when the service is killed, ``lost_ends`` when the worker is.
    """

    name: str
    about: str
    play: Callable[[Scene], Awaitable[None]]
    ends: Mapping[str, str]
    cut_ends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lost_ends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plugins: tuple[str, ...] = TARGETS[:1]
    workers: int = 1
    """How many workers it starts, where nobody kills one."""
    prepare: Callable[[Scene], Awaitable[None]] | None = None
    from_start: bool = False
    """Whether the start of the service belongs to the life."""
    to_stop: bool = False
    """Whether its stop does."""
    defer_seconds: float | None = None
    """How long a deferred write waits for one that is urgent, where not as in production."""
    ping_seconds: float = NEVER_SECONDS
    """How often workers are asked for signs of life."""
    removes: tuple[str, ...] = ()
    """The jobs that it removes, finished, with their images."""
    beside: bool = False
    """Whether it is also played beside another process, which may take part of the work."""
    twins: bool = False
    """Whether two jobs have one name."""
    abandoned: bool = False
    """Whether it is killed at its end, to be another's legacy."""
    legacy: Life | None = None
    """The life that was cut short before this one, whose remains it starts on."""
