"""One watcher that keeps being disconnected: what it saw, and whether that is what the log held."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import runward

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Sequence

    from runward import Client

TERMINAL = ("SUCCESS", "FAILED")
COMPACTED = "REVISION_COMPACTED"
GONE = "JOB_NOT_FOUND"


class Event(NamedTuple):
    """One change, as the log's table or a watcher has it."""

    revision: int
    job_id: str
    status: str
    attempt: int
    group: str = ""
    """A label of the job, by which some watch."""


class Gap(NamedTuple):
    """What a watcher was told instead of changes: those after one revision, up to another, are gone."""

    after: int
    upto: int


@dataclass(slots=True)
class Watcher:
    """Watches jobs with a label, changes into some statuses, one job, or (all of them empty) everything."""

    group: str = ""
    statuses: tuple[str, ...] = ()
    job_id: str = ""
    start: int = 0
    """The revision after which it began; for one that wants only what comes, told by the first bookmark."""
    cursor: int = 0
    seen: list[Event | Gap] = field(default_factory=list)
    streams: int = 0
    ends: int = 0

    def wants(self, event: Event) -> bool:
        """Tell whether it should see a change."""
        return (
            (not self.group or event.group == self.group)
            and (not self.statuses or event.status in self.statuses)
            and (not self.job_id or event.job_id == self.job_id)
        )

    async def follow(
        self, clients: Sequence[Client], turns: random.Random, longest: float, last: Callable[[], int | None]
    ) -> None:
        """Watch until the log's last revision is reached, or the one job has ended; leave each stream at a random
        moment, after ``longest`` seconds at most, and come back, on any connection. ``last`` gives that revision once
        it is known.
        """
        while not self._done(last()):
            self.streams += 1
            try:
                async with asyncio.timeout(turns.uniform(0.05, longest)):
                    await self._watch(turns.choice(clients), last)
            except TimeoutError:
                continue
            except runward.TransportError:  # a new stream, while there is no server
                await asyncio.sleep(turns.uniform(0.1, 0.5))
            except runward.ValidationError as error:
                self._skip(error)

    def _skip(self, error: runward.ValidationError) -> None:
        """Note what is gone: changes up to a revision, or the one job."""
        if error.reason == COMPACTED:
            usable = int(error.details["first_usable_revision"])
        elif error.reason == GONE and self.job_id:
            usable = sys.maxsize
            self.ends += 1
        else:
            raise error
        self.seen.append(Gap(self.cursor, usable))
        self.cursor = usable

    def _done(self, last: int | None) -> bool:
        return self.ends > 0 if self.job_id else last is not None and self.cursor >= last

    async def _watch(self, client: Client, last: Callable[[], int | None]) -> None:
        if self.job_id:
            async for job in client.watch(self.job_id, after_revision=self.cursor):
                self._see(job)
            self.ends += 1
            return
        labels = {"group": self.group} if self.group else {}
        async for update in client.watch_jobs(labels=labels, statuses=self.statuses, after_revision=self.cursor):
            if isinstance(update, runward.Bookmark):
                if self.cursor < 0:
                    self.start = update.revision
                self.cursor = max(self.cursor, update.revision)
            else:
                self._see(update)
            if self._done(last()):
                return

    def _see(self, job: runward.Job) -> None:
        self.seen.append(Event(job.revision, job.id, job.status, job.attempt, job.labels.get("group", "")))
        self.cursor = job.revision

    def problems(self, log: Iterable[Event]) -> list[str]:
        """Compare what it saw with the log: the same, in the same order, but for what it was told is gone."""
        expected = [event for event in log if event.revision > self.start and self.wants(event)]
        place = 0
        for one in self.seen:
            if isinstance(one, Gap):
                while place < len(expected) and expected[place].revision <= one.upto:
                    place += 1
            elif place == len(expected) or expected[place] != one:
                wanted = expected[place] if place < len(expected) else None
                return [f"{self.describe()}: saw {one} where the log has {wanted}"]
            else:
                place += 1
        if place < len(expected):
            return [f"{self.describe()}: never saw {expected[place]} and {len(expected) - place - 1} more"]
        return []

    def describe(self) -> str:
        """Say what it watches."""
        return f"watcher of {self.job_id or self.group or self.statuses or 'all'} after {self.start}"
