"""PluginQueue: what waits for the slots of one plugin, and how many of them are out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runward_service.execution.caller_queue import CallerQueue
from runward_service.execution.held_jobs import HeldJobs

if TYPE_CHECKING:
    import asyncio

    from runward_service.execution.slot import Slot


@dataclass(slots=True)
class PluginQueue:
    """What waits for a plugin's slots: callers here, and jobs in the store."""

    callers: CallerQueue[asyncio.Future[Slot]] = field(default_factory=CallerQueue)
    stored: bool = False
    """Whether the store may hold claimable jobs."""
    coming: bool = False
    """Whether a job is on its way to the store, so that its claim may wait for its commit."""
    signals: int = 0
    """Rises whenever a job was stored, so that a claim that found none does not hide one stored meanwhile."""
    taken: int = 0
    """Slots that are out."""
    running: int = 0
    """Those of them that count: a run that waits at a busy worker takes that worker's place, not another one."""
    lent: int = 0
    """Jobs that have given their slots back until another's run has answered for them, or has not."""
    held: HeldJobs = field(default_factory=HeldJobs)
    watched: bool = False
    """Whether it is looked soon whether those still have no slots."""
    starts: int = 0
    """How many stored jobs have got a slot."""
    claims: int = 0
    """How many claims were handed to the store."""
    claiming: bool = False
    callers_first: bool = True
    concurrency: int = 0
    """That of the plugin when its free slots were last counted."""
    usable: bool = True
    """Whether the plugin could run when it was last looked at."""
