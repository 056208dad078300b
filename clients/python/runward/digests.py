"""Digests of blobs, and those that the server is known to have."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict

_IN_PLACE_BYTES = 256 * 1024
"""What is hashed at once; more goes to a thread."""
_MAX_KNOWN = 10_000


async def digest_of(data: bytes) -> str:
    """Give the digest of a blob, "sha256:<hex>", off the event loop where it takes long."""
    found = hashlib.sha256(data) if len(data) <= _IN_PLACE_BYTES else await asyncio.to_thread(hashlib.sha256, data)
    return f"sha256:{found.hexdigest()}"


class KnownDigests:
    """Digests of blobs that the server had when this client last heard of them: the latest ones."""

    def __init__(self) -> None:
        self._digests: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def add(self, digest: str) -> None:
        """Note that the server has a blob."""
        self._digests[digest] = None
        self._digests.move_to_end(digest)
        if len(self._digests) > _MAX_KNOWN:
            self._digests.popitem(last=False)

    def forget(self, digest: str) -> None:
        """Note that the server does not have a blob."""
        self._digests.pop(digest, None)
