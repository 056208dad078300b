"""Rounds of random deletions and insertions, each followed by a search of the database's files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tests.erasure.marked_jobs import MarkedJobs
from tests.erasure.marks import MARK, Kind, in_leaves, places_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from random import Random

A_ROUND = 64
"""Deletions at once, which share their commits as those of callers do."""


@dataclass(slots=True)
class Figures:
    """What was done, and what was found. Images and results are told by their numbers."""

    deleted_jobs: int = 0
    erased_images: int = 0
    searches: int = 0
    searched_bytes: int = 0
    images_left: set[int] = field(default_factory=set)
    """Images of which a piece was in a file after they were erased."""
    images_missing: set[int] = field(default_factory=set)
    """Images that a job has and that were in no file: the search does not see what is there."""
    pieces_in_leaves: int = 0
    """Pieces of images, erased or not, in leaf pages of tables."""
    results_left: set[int] = field(default_factory=set)
    """As images_left, of the jobs' results, which nothing keeps out of leaf pages."""

    @property
    def good(self) -> bool:
        """Whether nothing is left of any erased image, nor could be."""
        return not (self.images_left or self.images_missing or self.pieces_in_leaves)


async def delete_at_random(
    folder: Path, deletions: int, living: int, rng: Random, on_round: Callable[[Figures], None] = lambda _: None
) -> Figures:
    """Make ``living`` jobs, then delete so many while others are made; ``on_round`` hears how far it is."""
    jobs = MarkedJobs(folder, rng)
    figures = Figures()
    await jobs.start()
    try:
        while len(jobs.living) < living:
            await jobs.add(min(A_ROUND, living - len(jobs.living)))
        while figures.deleted_jobs < deletions:
            count = min(A_ROUND, deletions - figures.deleted_jobs)
            # Their number goes up and down, so that pages fill, are shared out, and are joined again.
            added = 0 if len(jobs.living) > living else rng.randint(0, 2 * A_ROUND)
            await asyncio.gather(jobs.delete(count), jobs.add(added))
            figures.deleted_jobs += count
            await asyncio.to_thread(search, jobs, figures)
            on_round(figures)
    finally:
        await jobs.close()
    return figures


def search(jobs: MarkedJobs, figures: Figures) -> None:
    """Look through the database's file and its log for marks."""
    path = jobs.database.path
    database, log = (file.read_bytes() if file.exists() else b"" for file in (path, path.with_name("runward.db-wal")))
    figures.searches += 1
    figures.searched_bytes += len(database) + len(log)
    seen = np.zeros(len(jobs.sizes), bool)
    places, numbers = places_of(database, Kind.IMAGE)
    figures.pieces_in_leaves += in_leaves(database, places)
    mark(seen, numbers)
    mark(seen, places_of(log, Kind.IMAGE)[1])
    there = table(len(seen), (number for number, count in jobs.images.items() if count))
    whole = np.array(jobs.sizes) >= MARK.size
    figures.erased_images = int((~there[1:]).sum())
    figures.images_left |= set(np.flatnonzero(seen & ~there).tolist())
    figures.images_missing |= set(np.flatnonzero(there & whole & ~seen).tolist())
    seen = np.zeros(jobs.made + 1, bool)
    mark(seen, places_of(database, Kind.RESULT)[1])
    figures.results_left |= set(np.flatnonzero(seen & ~table(len(seen), jobs.results)).tolist())


def table(size: int, numbers: Iterable[int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which numbers below a size are among some."""
    made = np.zeros(size, bool)
    made[list(numbers)] = True
    return made


def mark(seen: np.ndarray[tuple[int], np.dtype[np.bool_]], numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    """Note the numbers that were seen; what is none that was given out stood there by chance."""
    seen[numbers[numbers < len(seen)]] = True
