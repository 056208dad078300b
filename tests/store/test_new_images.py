"""What a worker verifies of the image of a run, and what it is told of it."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.runtime.frames import FrameDecoder, encode_run_frame
from runward_service.runtime.run_image import run_image
from runward_service.store.images import INLINE_BYTES, ImageStore
from tests.store.blobs import open_blobs
from tests.store.jobs import OWNER, new_job
from tests.store.removals import create

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.store.held_writer import HeldWriter

OTHER = b"not what the digest is of"
SIZES = (500, INLINE_BYTES + 1)


def digest_of(data: bytes) -> str:
    """The digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def kernel(answers: list[int | OSError]) -> Callable[..., int]:
    """Reads that are not to wait for a disk, answered as the kernel may: so many bytes, or why there are none."""

    def preadv(_descriptor: int, _buffers: list[bytearray], _place: int, flags: int) -> int:
        assert flags == os.RWF_NOWAIT
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    return preadv


def refused(meta: dict[str, Any], body: bytes = b"") -> bool:
    """Whether a worker finds an image damaged."""
    try:
        assert run_image({"digest": digest_of(b"image")} | meta, body) == OTHER
    except GovernedError as error:
        return error.reason is ErrorReason.BLOB_CORRUPTED
    return False


@pytest.mark.parametrize("size", SIZES)
async def test_what_a_worker_is_told_of_an_image(size: int, writer: HeldWriter) -> None:
    """An image that came with the call is new to the first job that has it; what was read from the store is not."""
    images = ImageStore(writer.database.images, OWNER)
    data = bytes(size)
    job = new_job(1, image=await images.put(data))
    await create(writer, [job])
    async with open_blobs(writer, images) as blobs:
        stored = blobs.find(job.tenant, job.image.digest)
    assert stored is not None
    written = job.image.path.stat().st_mtime_ns if job.image.path is not None else 0
    for image, new in ((job.image, written), (stored, None)):
        [(meta, body)] = FrameDecoder().feed(encode_run_frame(job._replace(image=image)))
        assert meta.get("new") == new
        assert run_image(meta, body) == data


async def test_a_file_that_was_there_is_not_new(tmp_path: Path) -> None:
    """An image whose file an earlier job brought comes from the disk, whoever sends it again."""
    images = ImageStore(tmp_path, OWNER)
    assert [(await images.put(bytes(INLINE_BYTES + 1))).new is None for _ in range(2)] == [False, True]


def test_what_comes_from_a_disk_is_verified(tmp_path: Path) -> None:
    """A file is that was not written for this run, or was written to since; so are bytes that the service took from its
    store. A file that is gone is as good as damaged.
    """
    file = tmp_path / "image"
    file.write_bytes(OTHER)
    there = {"path": str(file)}
    for meta, body in (({}, OTHER), (there, b""), (there | {"new": file.stat().st_mtime_ns - 1}, b"")):
        assert refused(meta, body)
        assert run_image({"digest": digest_of(OTHER)} | meta, body) == OTHER
    assert refused({"path": str(tmp_path / "absent"), "new": 0})


@pytest.mark.parametrize(
    ("answers", "verified"),
    [
        ([len(OTHER)], False),
        ([10, len(OTHER) - 10], False),
        ([BlockingIOError()], True),
        ([10, BlockingIOError()], True),
        ([10, 0], True),
        ([OSError(errno.EOPNOTSUPP, "not told")], True),
    ],
    ids=["in memory", "in memory, in two pieces", "not", "the rest not", "cut short meanwhile", "nobody knows"],
)
def test_a_file_is_verified_of_which_anything_is_read_from_the_disk(
    answers: list[int | OSError], verified: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that the service wrote for this run is taken as it is where all of it is in memory still."""
    file = tmp_path / "image"
    file.write_bytes(OTHER)
    monkeypatch.setattr(os, "preadv", kernel(answers))
    assert refused({"path": str(file), "new": file.stat().st_mtime_ns}) == verified
    assert answers == []


def test_what_the_service_has_just_hashed_is_not_hashed_again() -> None:
    """Bytes that came with the call and through memory alone are taken as they are."""
    assert not refused({"new": 0}, OTHER)
