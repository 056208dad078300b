"""The files of large images: removed when nothing has them, never from under a job that is just being created."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import Principal
from runward_service.domain.retention_policy import RetentionPolicy
from runward_service.store.image_sweep import OLD_US, ImageSweep
from runward_service.store.images import INLINE_BYTES, ImageStore
from runward_service.store.job_removal import SqliteJobRemoval
from runward_service.store.owner_lock import OwnerLock
from runward_service.store.transitions import CreateJob
from tests.store.held_writer import HeldWriter
from tests.store.jobs import CHAIN, new_job
from tests.store.removals import FAR, create, finish, left

if TYPE_CHECKING:
    from runward_service.domain.job import Job

OWNER_ID = str(uuid.UUID(int=1))
CHURN = "import asyncio, sys; from tests.store.test_image_files import churn; asyncio.run(churn(*sys.argv[1:]))"
ROUNDS = 60


def at(writer: HeldWriter) -> tuple[ImageStore, SqliteJobRemoval]:
    """The images beside a writer's database, and their removal."""
    images = ImageStore(writer.database.images, OWNER_ID)
    return images, SqliteJobRemoval(writer, images.path_of, CHAIN)


async def stored(writer: HeldWriter, images: ImageStore, data: bytes, number: int = 1, **fields: Any) -> Job:
    """A finished job with a large image."""
    job = new_job(number, image=await images.put(data), **fields)
    await create(writer, [job])
    await finish(writer, [job])
    return job


async def test_a_file_goes_with_its_last_job(writer: HeldWriter) -> None:
    """Two tenants share one file; it is there as long as any of their jobs is."""
    images, removal = at(writer)
    data = os.urandom(INLINE_BYTES + 1)
    first = await stored(writer, images, data)
    await stored(writer, images, data, 2, tenant="other")
    file = images.path_of(first.image.digest)
    for remaining in (1, 0):
        assert file.exists()
        removed = await removal.compact_log(RetentionPolicy(FAR, remaining or 1), now=0 if remaining else FAR * 2)
        assert (removed.images, removed.image_bytes) == (1, len(data))
        await removal.remove_files()
        assert file.exists() == bool(remaining)
    assert writer.rows("SELECT count(*) FROM unused_image_file") == [(0,)]


async def test_a_file_outlives_the_transaction_that_removes_its_job(writer: HeldWriter) -> None:
    """Where a deletion and a removal of files are asked for at once, the file is there until the deletion is on disk: a
    transaction that is rolled back takes no file with it.
    """
    images, removal = at(writer)
    job = await stored(writer, images, os.urandom(INLINE_BYTES + 1))
    file = images.path_of(job.image.digest)
    async with writer.held():
        deletion = asyncio.ensure_future(removal.delete_job(job.id, Principal(job.principal, job.tenant)))
        files = asyncio.ensure_future(removal.remove_files())
        await asyncio.sleep(0)  # both have asked
        there = writer.submit(lambda _: file.exists())
    assert await deletion == [job.image.digest]
    assert await there
    await files
    assert not file.exists()


async def test_a_file_that_is_named_again_stays(writer: HeldWriter) -> None:
    """Between the removal of the last job and that of the file, a new job with the same image keeps the file."""
    images, removal = at(writer)
    data = os.urandom(INLINE_BYTES + 1)
    await stored(writer, images, data)
    await removal.compact_log(RetentionPolicy(0), now=FAR)
    again = new_job(2, image=await images.put(data))
    await create(writer, [again])
    await removal.remove_files()
    assert images.path_of(again.image.digest).read_bytes() == data
    assert writer.rows("SELECT count(*) FROM unused_image_file") == [(0,)]


async def test_a_job_whose_file_was_removed_meanwhile_is_refused(writer: HeldWriter) -> None:
    """Put, then removed before the commit: the commit finds the file gone, stores nothing and asks to call again, which
    works. Its neighbours in the batch are stored.
    """
    images, removal = at(writer)
    data = os.urandom(INLINE_BYTES + 1)
    await stored(writer, images, data)
    image = await images.put(data)
    await removal.compact_log(RetentionPolicy(0), now=FAR)
    await removal.remove_files()
    late, neighbour = new_job(2, image=image), new_job(3)
    async with writer.held():
        writes = [writer.submit(CreateJob(job)) for job in (late, neighbour)]
    with pytest.raises(GovernedError) as caught:
        await writes[0]
    assert caught.value.reason is ErrorReason.STORE_UNAVAILABLE
    assert (await writes[1]).revision > 0
    assert left(writer) == [neighbour.id]
    await create(writer, [late._replace(image=await images.put(data))])
    assert images.path_of(image.digest).read_bytes() == data


async def churn(folder: str, number: str) -> None:
    """One process of several: create jobs with the same few images, finish them, remove everything, again and again.

    Every job that was stored must find its image's file for as long as its row is there.
    """
    from pathlib import Path  # noqa: PLC0415 - this runs in a process of its own

    from runward_service.store.database import Database  # noqa: PLC0415

    writer = HeldWriter(Database(Path(folder)))
    writer.start()
    images, removal = at(writer)
    refused = 0
    for turn in range(ROUNDS):
        data = bytes([turn % 2]) * (INLINE_BYTES + 1)
        job = new_job(int(number) * ROUNDS + turn, image=await images.put(data))
        try:
            await create(writer, [job])
        except GovernedError:
            refused += 1
            continue
        assert images.path_of(job.image.digest).read_bytes() == data
        await finish(writer, [job])
        await removal.compact_log(RetentionPolicy(0), now=FAR)
        await removal.remove_files()
    await writer.close()
    assert refused < ROUNDS


async def test_processes_that_create_and_remove_the_same_images(writer: HeldWriter) -> None:
    """Three processes on one folder: whatever one removes, no job of another is left without its image's file."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHURN, str(writer.database.folder), str(number), stderr=asyncio.subprocess.PIPE
        )
        for number in range(3)
    ]
    ends = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    await at(writer)[1].remove_files()
    named = {row[0] for row in writer.rows("SELECT digest FROM image WHERE data IS NULL")}
    there = {f"sha256:{path.name}" for path in writer.database.images.rglob("*") if path.is_file()}
    assert there == named


async def test_the_sweep_removes_what_crashes_left(writer: HeldWriter) -> None:
    """Temporary files of dead writers go, and old files that no row names; those of living writers, young files and
    those of jobs stay.
    """
    images, removal = at(writer)
    lock = OwnerLock(writer.database.owners, OWNER_ID)
    lock.hold()
    kept = await stored(writer, images, os.urandom(INLINE_BYTES + 1))
    orphan, young = [await images.put(os.urandom(INLINE_BYTES + 1)) for _ in range(2)]
    folder = images.path_of(kept.image.digest).parent
    dead, unnamed, alive = folder / f".new-{uuid.UUID(int=2)}-x1", folder / ".new-abc", folder / f".new-{OWNER_ID}-x2"
    for path in (dead, unnamed, alive):
        path.write_bytes(b"half")
    long_ago = time.time() - 2 * OLD_US / 1e6
    for path in (images.path_of(orphan.digest), images.path_of(kept.image.digest), unnamed, alive):
        os.utime(path, (long_ago, long_ago))
    count = await ImageSweep(writer.database.images, writer.database.owners, removal).run(time.time_ns() // 1000)
    await removal.remove_files()
    lock.release()
    assert count == 3
    there = {path for path in writer.database.images.rglob("*") if path.is_file()}
    assert there == {images.path_of(kept.image.digest), images.path_of(young.digest), alive}
