"""Jobs with marked images, results and artifacts in a real store: made, finished, and erased as DeleteJob does it."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from runward_service.domain.artifact import Artifact
from runward_service.domain.image import StoredImage
from runward_service.domain.job import Principal
from runward_service.domain.outcome import Outcome
from runward_service.execution.finished_jobs import FinishedJobs
from runward_service.store.checkpointer import Checkpointer
from runward_service.store.database import Database
from runward_service.store.images import INLINE_BYTES, ImageStore
from runward_service.store.job_reader import SqliteJobReader
from runward_service.store.job_removal import SqliteJobRemoval
from runward_service.store.loop_connection import LoopConnection
from runward_service.store.transitions import CreateJob, FinishJob, StartJob
from runward_service.store.uploads import Uploads
from runward_service.store.writer import GroupCommitWriter
from tests.erasure.marks import Kind, marked
from tests.store.jobs import CHAIN, OWNER, SIGNER, new_job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from random import Random

    from runward_service.domain.job import Job
    from runward_service.store.batch import Transaction

T = TypeVar("T")

TENANTS = ("default", "t", "a-tenant-whose-name-is-long-" * 12)
SHARED = 0.1
"""So many jobs have an image that another job has."""
WITH_ARTIFACT = 0.2
WITH_RESULT = 0.7


@dataclass(frozen=True, slots=True)
class MarkedJob:
    """A job that is there: its id, its tenant, the numbers of its image and its artifact, and of its result (or 0)."""

    id: str
    tenant: str
    images: tuple[int, ...]
    result: int


class MarkedJobs:
    """The jobs that are there, in a store of their own."""

    def __init__(self, folder: Path, rng: Random) -> None:
        """Keep them in a folder, made by a random generator."""
        self.database = Database(folder)
        self.living: list[MarkedJob] = []
        self.images: Counter[int] = Counter()
        """How many jobs and artifacts have each image."""
        self.sizes: list[int] = [0]
        """The size of each image that ever was, by number, from 1 on."""
        self.results: set[int] = set()
        self.made = 0
        self._rng = rng

    async def start(self) -> None:
        """Make the database and start its writer."""
        self.database.prepare()
        self._writer = GroupCommitWriter(self.database, LoopConnection(self.database), lambda _: None)
        self._writer.start()
        images = ImageStore(self.database.images, OWNER)
        removal = SqliteJobRemoval(self._writer, images.path_of, CHAIN)
        uploads = Uploads(self.database.uploads, images)
        checkpointer = Checkpointer(self.database)
        self._finished_jobs = FinishedJobs(SqliteJobReader(self.database), removal, images, uploads, checkpointer)

    async def close(self) -> None:
        """Write what waits."""
        await self._writer.close()

    def submit(self, operation: Callable[[Transaction], T]) -> Awaitable[T]:
        """Have the writer apply an operation."""
        return self._writer.submit(operation)

    async def add(self, count: int) -> None:
        """Make jobs and finish them."""
        made = [self._new() for _ in range(count)]
        await asyncio.gather(*(self._writer.submit(CreateJob(job)) for job, _, _ in made))
        await asyncio.gather(*(self._writer.submit(StartJob(job.id, OWNER, 50)) for job, _, _ in made))
        await asyncio.gather(*(self._writer.submit(self._end_of(job, marks, size)) for job, marks, size in made))
        self.living += [marks for _, marks, _ in made]

    async def delete(self, count: int) -> None:
        """Erase some of the jobs, at random; when this returns, nothing of them may be left."""
        self._rng.shuffle(self.living)
        gone = [self.living.pop() for _ in range(min(count, len(self.living)))]
        await asyncio.gather(*(self._finished_jobs.delete(job.id, Principal("p", job.tenant)) for job in gone))
        for job in gone:
            self.images.subtract(job.images)
            self.results.discard(job.result)

    def _new(self) -> tuple[Job, MarkedJob, int]:
        """A job with its marks, and the size of its result."""
        self.made += 1
        number = self._rng.choice(self.living).images[0] if self.living and self._rng.random() < SHARED else 0
        images = [number or self._number()]
        if self._rng.random() < WITH_ARTIFACT:
            images.append(self._number())
        self.images.update(images)
        result = self.made if self._rng.random() < WITH_RESULT else 0
        if result:
            self.results.add(result)
        tenant = self._rng.choices(TENANTS, (8, 1, 1))[0]
        data = self._image(images[0])
        stored = StoredImage(digest_of(data), len(data), data=data)
        job = new_job(self.made, image=stored, tenant=tenant)
        return job, MarkedJob(job.id, tenant, tuple(images), result), self._log_size(8, 2_000)

    def _end_of(self, job: Job, marks: MarkedJob, size: int) -> FinishJob:
        begun = job._replace(attempt=1, start_time_us=50)
        result = marked(Kind.RESULT, marks.result, size) if marks.result else b""
        files = [self._image(number) for number in marks.images[1:]]
        artifacts = tuple(Artifact("file", digest_of(data), len(data), "image/png", data) for data in files)
        made = Outcome(job.id, 1, job.plugin, 300, 1, ran=True, result=result, output_digest="d", artifacts=artifacts)
        outcome = SIGNER.signed(made, begun)
        return FinishJob(begun, OWNER, outcome, SIGNER.verify(outcome, begun), CHAIN)

    def _number(self) -> int:
        """That of a new image, of a size that is mostly small."""
        kind = self._rng.random()
        if kind < 0.85:
            self.sizes.append(self._log_size(1, 4_096))
        elif kind < 0.98:
            self.sizes.append(self._rng.randint(1, 20_000))
        else:
            self.sizes.append(self._log_size(20_000, INLINE_BYTES))
        return len(self.sizes) - 1

    def _image(self, number: int) -> bytes:
        return marked(Kind.IMAGE, number, self.sizes[number])

    def _log_size(self, least: int, most: int) -> int:
        return round(math.exp(self._rng.uniform(math.log(least), math.log(most))))


def digest_of(data: bytes) -> str:
    """The digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
