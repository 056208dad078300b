"""What a worker verifies of the image of a run, and what it is told of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.runtime.frames import FrameDecoder, encode_run_frame
from runward_service.runtime.host import verified_image
from runward_service.store.blobs import SqliteBlobs
from runward_service.store.images import INLINE_BYTES, ImageStore
from tests.store.jobs import OWNER, new_job
from tests.store.removals import create

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.held_writer import HeldWriter

OTHER = b"not what the digest is of"
SIZES = (500, INLINE_BYTES + 1)


def digest_of(data: bytes) -> str:
    """The digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("size", SIZES)
async def test_what_a_worker_is_told_of_an_image(size: int, writer: HeldWriter) -> None:
    """An image that came with the call is new to the first job that has it; what was read from the store is not."""
    images = ImageStore(writer.database.images, OWNER)
    data = bytes(size)
    job = new_job(1, image=await images.put(data))
    await create(writer, [job])
    blobs = SqliteBlobs(writer, writer.database, images)
    await blobs.open()
    stored = blobs.find(job.tenant, job.image.digest)
    await blobs.close()
    assert stored is not None
    for image, new in ((job.image, True), (stored, False)):
        [(meta, body)] = FrameDecoder().feed(encode_run_frame(job._replace(image=image)))
        assert meta.get("new", False) == new
        assert verified_image(meta, body) == data


async def test_a_file_that_was_there_is_not_new(tmp_path: Path) -> None:
    """An image whose file an earlier job brought comes from the disk, whoever sends it again."""
    images = ImageStore(tmp_path, OWNER)
    assert [(await images.put(bytes(INLINE_BYTES + 1))).new for _ in range(2)] == [True, False]


def test_what_has_been_on_a_disk_is_verified(tmp_path: Path) -> None:
    """A file is, also one that was written for this run, and so are bytes that the service took from its store."""
    file = tmp_path / "image"
    file.write_bytes(OTHER)
    there, absent = {"path": str(file)}, {"path": str(tmp_path / "absent")}
    for meta, body in (({}, OTHER), (there, b""), (there | {"new": True}, b""), (absent, b"")):
        with pytest.raises(GovernedError) as caught:
            verified_image({"digest": digest_of(b"image")} | meta, body)
        assert caught.value.reason is ErrorReason.BLOB_CORRUPTED
        if meta is not absent:
            assert verified_image({"digest": digest_of(OTHER)} | meta, body) == OTHER


def test_what_the_service_has_just_hashed_is_not_hashed_again() -> None:
    """Bytes that came with the call and through memory alone are taken as they are."""
    assert verified_image({"digest": digest_of(b"image"), "new": True}, OTHER) == OTHER
