"""The calls that move blobs: images ahead of the jobs that run on them, and what runs gave back."""

from __future__ import annotations

import asyncio
import re
import secrets
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from runward.caller import Caller
from runward.digests import KnownDigests, digest_of
from runward.errors import ExecutionError, RunwardError, ValidationError
from runward.image import read_image
from runward.retry import connection_broke, wait_after, was_refused
from runward.v1 import blobs_pb2

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Iterable

    from runward.image import Image
    from runward.job import Artifact, Job

CHUNK_BYTES = 1024 * 1024
_ASK_BYTES = 4 * CHUNK_BYTES
"""Of a larger blob the server is asked how much it has before anything is sent."""
_DIGESTS_A_CALL = 1000
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


def ignore_progress(_done: int, _total: int) -> None:
    """Nobody wants to know."""


class BlobCalls(Caller):
    """What a client can do with blobs."""

    _known: KnownDigests

    async def upload(
        self,
        blob: Image,
        *,
        progress: Callable[[int, int], None] = ignore_progress,
        deadline: float | None = None,
    ) -> str:
        """Store a blob and give its digest, with which jobs can name it. What the server has already is not sent again.

        Where the connection breaks, the upload goes on where it was. A blob that no job has is kept for a time of the
        server's. analyze and submit upload large images by themselves.

        Args:
            blob: a path, the bytes, or a file open for reading in binary mode; at most 64 MiB.
            progress: hears how many bytes the server has, and of how many.
            deadline: the longest time of each call that this makes, in seconds; by default no limit.

        Raises:
            ValidationError: the blob is empty, or larger than the server takes (IMAGE_TOO_LARGE).
            ExecutionError: the service could not take it.
            TransportError: the server did not answer.
            OSError: the file cannot be read.
        """
        data, _ = await read_image(blob)
        digest = await digest_of(data)
        await self._upload(digest, data, progress, deadline)
        return digest

    async def _upload(
        self, digest: str, data: bytes, progress: Callable[[int, int], None], deadline: float | None
    ) -> None:
        connection = self._connection
        committed, attempt = 0, 1
        ask = len(data) > _ASK_BYTES
        while True:
            messages = _messages(digest, data, None if ask else committed, progress)
            try:
                method = connection.blobs.UploadBlob
                response = await connection.send(method, messages, name="UploadBlob", deadline=deadline)
            except RunwardError as error:
                again = was_refused(error) or connection_broke(error) or error.reason == "TOO_MANY_CALLS"
                wait = wait_after(error, attempt, connection.retry) if again else None
                if wait is None or attempt >= connection.retry.attempts:
                    raise
                await asyncio.sleep(wait)
                attempt, ask = attempt + 1, True
                continue
            if response.committed_bytes > committed:
                attempt = 1
            committed, ask = response.committed_bytes, False
            progress(committed, len(data))
            if committed >= len(data):
                self._known.add(digest)
                return

    async def missing(self, digests: Iterable[str], *, deadline: float | None = None) -> list[str]:
        """Give those of these digests ("sha256:<hex>") that the server lacks, in order.

        Raises ValidationError (INVALID_FIELD) for what is no digest.
        """
        asked = list(digests)
        found: list[str] = []
        for start in range(0, len(asked), _DIGESTS_A_CALL):
            request = blobs_pb2.FindMissingBlobsRequest(digests=asked[start : start + _DIGESTS_A_CALL])
            method = self._connection.blobs.FindMissingBlobs
            found += (await self._call(method, request, "FindMissingBlobs", deadline)).missing_digests
        return found

    async def download(
        self,
        digest: str,
        *,
        progress: Callable[[int, int], None] = ignore_progress,
        deadline: float | None = None,
    ) -> bytes:
        """Give a blob's bytes, which have the digest. A download whose connection breaks goes on where it was.

        Args:
            digest: "sha256:<hex>", such as a job's payload.image_digest, or an artifact's digest.
            progress: hears how many bytes have come; their total is not known and told as 0.
            deadline: the longest time of each call that this makes, in seconds; by default no limit.

        Raises:
            ValidationError: BLOB_UNKNOWN, there is none.
            ExecutionError: BLOB_CORRUPTED, the server's disk has damaged it; or the service could not send it.
            TransportError: the server did not answer.
        """
        connection = self._connection
        received = bytearray()
        attempt = 1
        while True:
            before = len(received)
            request = blobs_pb2.DownloadBlobRequest(digest=digest, offset=before)
            chunks = connection.stream(connection.blobs.DownloadBlob, request, name="DownloadBlob", deadline=deadline)
            try:
                async with aclosing(chunks):
                    async for chunk in chunks:
                        received += chunk.data
                        progress(len(received), 0)
                break
            except RunwardError as error:
                attempt = 1 if len(received) > before else attempt
                again = was_refused(error) or connection_broke(error) or error.reason == "TOO_MANY_CALLS"
                wait = wait_after(error, attempt, connection.retry) if again else None
                if wait is None or attempt >= connection.retry.attempts:
                    raise
            await asyncio.sleep(wait)
            attempt += 1
        data = bytes(received)
        if await digest_of(data) != digest:
            raise ExecutionError("what was received has another digest", reason="BLOB_CORRUPTED")
        return data

    async def artifact(self, job: Job, name: str, *, deadline: float | None = None) -> bytes:
        """Give a file that a job's run gave back, by its name.

        Raises ValidationError (ARTIFACT_NOT_FOUND) where the job lists none of that name, or what download raises.
        """
        for artifact in job.artifacts:
            if artifact.name == name:
                return await self.download(artifact.digest, deadline=deadline)
        names = ", ".join(artifact.name for artifact in job.artifacts) or "none"
        raise ValidationError(f"the job has no artifact {name!r}; it has {names}", reason="ARTIFACT_NOT_FOUND")

    async def save_artifacts(
        self, job: Job, folder: str | os.PathLike[str], *, prefix: str = "", deadline: float | None = None
    ) -> list[Path]:
        """Save the files that a job's run gave back to a folder, which is made where it is not there; give their paths.

        Each gets its artifact's name, after the prefix. A file of that name is replaced. Nothing is written outside of
        the folder, whatever the server says: a name that is no plain file's name is replaced by one made of the digest.

        Raises what download raises, or OSError.
        """
        into = Path(folder)
        saved = []
        for artifact in job.artifacts:
            data = await self.download(artifact.digest, deadline=deadline)
            path = into / f"{prefix}{safe_name(artifact)}"
            await asyncio.to_thread(_replace, path, data)
            saved.append(path)
        return saved


def safe_name(artifact: Artifact) -> str:
    """Give the name that an artifact can be saved under."""
    if _SAFE_NAME.match(artifact.name):
        return artifact.name
    return f"artifact-{re.sub('[^0-9a-f]', '', artifact.digest.removeprefix('sha256:'))[:64]}"


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside it and renamed: whole or not at all, and never through a link that somebody has put there.
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


async def _messages(
    digest: str, data: bytes, start: int | None, progress: Callable[[int, int], None]
) -> AsyncGenerator[blobs_pb2.UploadBlobRequest, None]:
    """Yield an upload's messages from a place on; without one, the message that asks for it."""
    size = len(data)
    if start is None:
        yield blobs_pb2.UploadBlobRequest(digest=digest, size_bytes=size)
        return
    for place in range(start, max(size, start + 1), CHUNK_BYTES):
        chunk = data[place : place + CHUNK_BYTES]
        first = {"digest": digest, "size_bytes": size} if place == start else {}
        yield blobs_pb2.UploadBlobRequest(offset=place, data=chunk, **first)  # type: ignore[arg-type]
        progress(min(place + CHUNK_BYTES, size), size)
