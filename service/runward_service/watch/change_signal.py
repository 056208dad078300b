"""Wakes those who watch when a commit changed a job. It carries no data: watchers read what changed from the log."""

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
        self._of_all: set[asyncio.Event] = set()
        self.closed = False

    def notify(self, job_ids: Sequence[str]) -> None:
        """A commit changed these jobs."""
        for event in self._of_all:
            event.set()
        if self._watchers:
            for job_id in job_ids:
                for event in self._watchers.get(job_id, ()):
                    event.set()

    def close(self) -> None:
        """Wake everyone for the last time: the server stops."""
        self.closed = True
        for events in (self._of_all, *self._watchers.values()):
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

    @contextmanager
    def watching_all(self) -> Iterator[asyncio.Event]:
        """The same, for the changes of all jobs."""
        event = asyncio.Event()
        self._of_all.add(event)
        try:
            yield event
        finally:
            self._of_all.discard(event)
