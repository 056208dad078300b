"""How an image gets to the server: with the request, or by its digest where that spares sending it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from runward.blob_calls import BlobCalls, ignore_progress
from runward.digests import digest_of
from runward.errors import RunwardError

if TYPE_CHECKING:
    import grpc.aio

    from runward.v1 import jobs_pb2

_RunRequest = TypeVar("_RunRequest", "jobs_pb2.AnalyzeRequest", "jobs_pb2.SubmitJobRequest")
_Response = TypeVar("_Response")

UPLOAD_BYTES = 4 * 1024 * 1024
"""An image from this size on is uploaded, unless the server has it: in chunks, so that a connection that breaks costs
little, and without the server holding it in memory.
"""
REPEAT_BYTES = 64 * 1024
"""An image from this size on is not sent a second time."""


class ImageSending(BlobCalls):
    """Base of the calls that send images."""

    _bringing: dict[str, asyncio.Future[bool]]

    async def _send_run(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_RunRequest, _Response],
        request: _RunRequest,
        name: str,
        deadline: float | None,
    ) -> _Response:
        """Send a request whose payload holds the image's bytes, by digest where that is better. The parameters are as
        for Connection.call; the request has an id, so that it can be sent again.

        Where the server lacks the image after all, which may have been removed meanwhile, it is sent once more.
        """
        connection, payload, data = self._connection, request.payload, request.payload.image
        digest = await self._name_image(payload)
        try:
            answer = await connection.call(method, request, name=name, deadline=deadline, replay=True)
        except RunwardError as error:
            if error.reason != "BLOB_NOT_FOUND" or payload.WhichOneof("source") != "image_digest":
                raise
            await self._send_again(payload, data)
            answer = await connection.call(method, request, name=name, deadline=deadline, replay=True)
        if digest:
            self._known.add(digest)
        return answer

    async def _name_image(self, payload: jobs_pb2.Payload) -> str:
        """Put the digest in the place of the bytes, where the server has the image, or it is uploaded; give it.

        Gives "" where the image is too small to be worth a digest.
        """
        data = payload.image
        if len(data) < REPEAT_BYTES:
            return ""
        digest = await digest_of(data)
        if digest in self._known or (len(data) >= UPLOAD_BYTES and await self._bring(digest, data)):
            payload.image_digest = digest
        return digest

    def _lacks(self, answer: object) -> bool:
        """Whether a request was refused because the server lacks the image that it names; then it is not known."""
        if not isinstance(answer, RunwardError) or answer.reason != "BLOB_NOT_FOUND":
            return False
        self._known.forget(str(answer.details.get("digest")))
        return True

    async def _bring(self, digest: str, data: bytes) -> bool:
        """See that the server has a blob, once for all who want it at the same time; False where it takes none by
        themselves.
        """
        bringing = self._bringing.get(digest)
        if bringing is None:
            bringing = self._bringing[digest] = asyncio.ensure_future(self._bring_now(digest, data))
            bringing.add_done_callback(lambda done: self._brought(digest, done))
        return await asyncio.shield(bringing)

    def _brought(self, digest: str, done: asyncio.Future[bool]) -> None:
        del self._bringing[digest]
        if not done.cancelled():
            done.exception()  # looked at, should all who waited have given up

    async def _bring_now(self, digest: str, data: bytes) -> bool:
        try:
            if await self.missing([digest]):
                await self._upload(digest, data, ignore_progress, None)
        except RunwardError as error:
            # A server without blobs, or one that takes none so large: the request says what it makes of the image.
            if error.reason not in {"NOT_IMPLEMENTED", "IMAGE_TOO_LARGE"}:
                raise
            return False
        return True

    async def _send_again(self, payload: jobs_pb2.Payload, data: bytes) -> None:
        """Bring an image that the server lacks to it: uploaded where it is large, else within the next request."""
        digest = payload.image_digest
        self._known.forget(digest)
        if len(data) < UPLOAD_BYTES or not await self._bring(digest, data):
            payload.image = data
