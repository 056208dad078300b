"""Unfinished uploads and uploaded blobs: kept as long as they are needed, by whichever process, and no longer."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.retention_policy import RetentionPolicy
from runward_service.store.images import INLINE_BYTES, ImageStore
from runward_service.store.uploads import PATIENCE_US, UploadMismatch, Uploads
from tests.store.blobs import open_blobs
from tests.store.held_writer import HeldWriter
from tests.store.jobs import new_job
from tests.store.removals import FAR, create, finish
from tests.store.test_image_files import OWNER_ID, at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runward_service.domain.image import StoredImage
    from runward_service.store.blobs import SqliteBlobs

CHURN = "import asyncio, sys; from tests.store.test_uploads import churn; asyncio.run(churn(*sys.argv[1:]))"
ROUNDS = 40
SIZES = (500, INLINE_BYTES + 1)


@pytest_asyncio.fixture
async def blobs(writer: HeldWriter) -> AsyncIterator[SqliteBlobs]:
    """The blobs beside a writer's database."""
    async with open_blobs(writer, ImageStore(writer.database.images, OWNER_ID)) as opened:
        yield opened


def uploads_of(writer: HeldWriter) -> Uploads:
    """The uploads of a data folder."""
    return Uploads(writer.database.uploads, ImageStore(writer.database.images, OWNER_ID))


def digest_of(data: bytes) -> str:
    """As it is written."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def uploaded(
    writer: HeldWriter, blobs: SqliteBlobs, data: bytes, tenant: str = "default", expire_time_us: int = 1000
) -> StoredImage:
    """Upload a blob."""
    upload = await uploads_of(writer).begin(tenant, digest_of(data), len(data))
    try:
        await upload.append(data)
        blob = await upload.complete()
        await blobs.add(tenant, blob, upload.path, expire_time_us)
        await upload.forget()
    finally:
        upload.close()
    return blob


def files(writer: HeldWriter) -> int:
    """How many files there are among the images."""
    return sum(path.is_file() for path in writer.database.images.rglob("*"))


@pytest.mark.parametrize("size", SIZES)
async def test_an_uploaded_blob_is_kept_for_its_time(writer: HeldWriter, blobs: SqliteBlobs, size: int) -> None:
    """Until then it is there; then row and file go. An upload again makes it longer."""
    blob = await uploaded(writer, blobs, os.urandom(size))
    removal = at(writer)[1]
    assert await blobs.keep("default", blob.digest, 2000)
    for now in (999, 1999):
        assert (await removal.remove_uploads(now)).images == 0
        assert blobs.find("default", blob.digest) is not None
    assert (await removal.remove_uploads(2000)).images == 1
    await removal.remove_files()
    assert blobs.find("default", blob.digest) is None
    assert not await blobs.keep("default", blob.digest, 3000)
    assert files(writer) == 0
    assert writer.rows("SELECT count(*) FROM upload") == [(0,)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("first", ["job", "upload"])
async def test_a_job_and_an_upload_hold_the_same_blob(
    writer: HeldWriter, blobs: SqliteBlobs, size: int, first: str
) -> None:
    """Whichever ends first, the blob stays until the other ends."""
    data = os.urandom(size)
    blob = await uploaded(writer, blobs, data)
    removal = at(writer)[1]
    job = new_job(1, image=blob)
    await create(writer, [job])
    await finish(writer, [job])
    ends = {
        "job": lambda: removal.compact_log(RetentionPolicy(0), now=FAR),
        "upload": lambda: removal.remove_uploads(FAR),
    }
    assert (await ends[first]()).images == 0
    await removal.remove_files()
    assert blobs.find("default", blob.digest) == blob
    (other,) = set(ends) - {first}
    assert (await ends[other]()).images == 1


async def test_a_job_created_as_its_blob_expires(writer: HeldWriter, blobs: SqliteBlobs) -> None:
    """Found, then collected before the job's commit: a small one is stored again with the job, a large one's job is
    refused where its file is gone already, and keeps it where it is not.
    """
    small, large, late = [await uploaded(writer, blobs, os.urandom(size)) for size in (9, *[INLINE_BYTES + 1] * 2)]
    removal = at(writer)[1]
    assert (await removal.remove_uploads(FAR)).images == 3
    await create(writer, [new_job(1, image=small), new_job(2, image=large)])
    await removal.remove_files()
    assert large.path is not None
    assert large.path.exists()
    with pytest.raises(GovernedError) as caught:
        await create(writer, [new_job(3, image=late)])
    assert caught.value.reason is ErrorReason.STORE_UNAVAILABLE
    for blob in (small, large):
        assert blobs.find("default", blob.digest) == blob


async def test_a_file_that_is_removed_before_the_commit_is_made_again(writer: HeldWriter, blobs: SqliteBlobs) -> None:
    """An upload finds the file of another's blob; that goes before its own row is there: it has the bytes still."""
    data = os.urandom(INLINE_BYTES + 1)
    await uploaded(writer, blobs, data, "other", 1)
    upload = await uploads_of(writer).begin("default", digest_of(data), len(data))
    await upload.append(data)
    blob = await upload.complete()
    removal = at(writer)[1]
    await removal.remove_uploads(FAR)
    await removal.remove_files()
    assert files(writer) == 0
    await blobs.add("default", blob, upload.path, 1000)
    upload.close()
    assert blobs.find("default", blob.digest) == blob
    assert blob.path is not None
    assert blob.path.read_bytes() == data


async def test_an_upload_goes_on_in_another_process(writer: HeldWriter) -> None:
    """Its bytes are there for whoever comes next, and are part of the digest; nobody else gets at it meanwhile."""
    data = os.urandom(3000)
    upload = await uploads_of(writer).begin("default", digest_of(data), len(data))
    await upload.append(data[:1000])
    with pytest.raises(GovernedError) as caught:
        await uploads_of(writer).begin("default", digest_of(data), len(data))
    assert caught.value.details["bound"] == "calls_per_upload"
    other_tenant = await uploads_of(writer).begin("other", digest_of(data), len(data))
    assert other_tenant.committed_bytes == 0
    other_tenant.close()
    upload.close()
    upload = await uploads_of(writer).begin("default", digest_of(data), len(data))
    assert upload.committed_bytes == 1000
    await upload.append(data[1000:])
    assert (await upload.complete()).data == data
    upload.close()


async def test_bytes_of_another_digest_are_removed(writer: HeldWriter) -> None:
    """Also those that a crash of the machine left changed: the next upload begins anew."""
    upload = await uploads_of(writer).begin("default", digest_of(b"abc"), 3)
    await upload.append(b"abd")
    with pytest.raises(UploadMismatch):
        await upload.complete()
    upload.close()
    upload = await uploads_of(writer).begin("default", digest_of(b"abc"), 3)
    assert upload.committed_bytes == 0
    upload.close()


async def test_uploads_that_nobody_goes_on_with(writer: HeldWriter) -> None:
    """Old ones are removed, and the oldest of too many; not one that a call is at."""
    uploads = uploads_of(writer)
    held = await uploads.begin("default", digest_of(b"held"), 100)
    paths = [held.path]
    for number in range(3):
        upload = await uploads.begin("default", digest_of(bytes([number])), 100)
        await upload.append(bytes(10))
        paths.append(upload.path)
        upload.close()
    now = time.time_ns() // 1000
    for age, path in enumerate(paths):
        seconds = now / 1e6 - 2 * PATIENCE_US / 1e6 if path == held.path else now / 1e6 - 10 + age
        os.utime(path, (seconds, seconds))
    assert await uploads.sweep(now) == 0
    assert await uploads.sweep(now, limit_bytes=20) == 1
    assert [path.exists() for path in paths] == [True, False, True, True]
    assert await uploads.sweep(now + PATIENCE_US) == 2
    held.close()
    assert await uploads.sweep(now) == 1
    assert list(writer.database.uploads.iterdir()) == []


async def churn(folder: str, number: str) -> None:
    """One process of several: upload the same few blobs, run a job on some of them, remove everything, again and again.

    Whatever is found after an upload must have its bytes.
    """
    from pathlib import Path  # noqa: PLC0415 - this runs in a process of its own

    from runward_service.store.database import Database  # noqa: PLC0415

    writer = HeldWriter(Database(Path(folder)))
    writer.start()
    async with open_blobs(writer, ImageStore(writer.database.images, OWNER_ID)) as blobs:
        removal = at(writer)[1]
        done = 0
        for turn in range(ROUNDS):
            data = bytes([turn % 2]) * (INLINE_BYTES + 1)
            try:
                blob = await uploaded(writer, blobs, data, f"tenant {number}", turn)
                done += 1
                job = new_job(int(number) * ROUNDS + turn, image=blob, tenant=f"tenant {number}")
                await create(writer, [job])
            except GovernedError:
                continue
            assert blob.path is not None
            assert blob.path.read_bytes() == data
            await finish(writer, [job])
            await removal.remove_uploads(FAR)
            await removal.compact_log(RetentionPolicy(0), now=FAR)
            await removal.remove_files()
    await writer.close()
    assert done


async def test_processes_that_upload_and_remove_the_same_blobs(writer: HeldWriter) -> None:
    """Three processes on one folder: whatever one removes, no row of another is left without its file."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHURN, str(writer.database.folder), str(number), stderr=asyncio.subprocess.PIPE
        )
        for number in range(3)
    ]
    ends = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    removal = at(writer)[1]
    await removal.remove_uploads(FAR)
    await removal.remove_files()
    named = {row[0] for row in writer.rows("SELECT digest FROM image WHERE data IS NULL")}
    there = {f"sha256:{path.name}" for path in writer.database.images.rglob("*") if path.is_file()}
    assert there == named
