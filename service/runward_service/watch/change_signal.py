"""Wakes those who watch a job when a commit changed it. It carries no data: watchers read what changed from the log."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ChangeSignal:
    """The watchers of this process, by job."""

    def __init__(self) -> None:
        """Start with none."""
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self.closed = False

    def notify(self, job_ids: Sequence[str]) -> None:
        """A commit changed these jobs."""
        if self._watchers:
            for job_id in job_ids:
                for event in self._watchers.get(job_id, ()):
                    event.set()

    def close(self) -> None:
        """Wake everyone for the last time: the server stops."""
        self.closed = True
        for events in self._watchers.values():
            for event in events:
                event.set()

    @contextmanager
    def watching(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job changed. Clear it before reading the log, then wait: no change is
        missed.
        """
        event = asyncio.Event()
        self._watchers.setdefault(job_id, set()).add(event)
        try:
            yield event
        finally:
            events = self._watchers[job_id]
            events.discard(event)
            if not events:
                del self._watchers[job_id]
