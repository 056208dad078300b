"""The keys that receipts are made with."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECRET_BYTES = 32
ID_PREFIX = b"runward.receipt-key/1"
ID_LENGTH = 16


class ReceiptKey:
    """One secret. Its ``id`` follows from it and tells nothing of it."""

    __slots__ = ("_hmac", "id")

    def __init__(self, secret: bytes) -> None:
        """Use this secret. Raises ValueError unless it has SECRET_BYTES."""
        if len(secret) != SECRET_BYTES:
            raise ValueError("a receipt key has 32 bytes")
        # Copied for each document: to begin anew with the secret takes longer than to sign, and gives up Python's lock.
        self._hmac = hmac.new(secret, digestmod="sha256")
        self.id = hashlib.sha256(ID_PREFIX + secret).hexdigest()[:ID_LENGTH]

    def mac(self, document: bytes) -> bytes:
        """The HMAC-SHA256 of a document."""
        signing = self._hmac.copy()
        signing.update(document)
        return signing.digest()

    def made(self, mac: bytes, document: bytes) -> bool:
        """Whether this key made a MAC of a document."""
        return hmac.compare_digest(mac, self.mac(document))


class ReceiptKeys:
    """All keys that are at hand, the oldest first: the newest signs, any of them verifies."""

    def __init__(self, keys: Sequence[ReceiptKey]) -> None:
        """Hold these, one at least."""
        self._by_id = {key.id: key for key in keys}
        self.newest = keys[-1]

    def __iter__(self) -> Iterator[ReceiptKey]:
        """All of them."""
        return iter(self._by_id.values())

    def add(self, newer: ReceiptKeys) -> None:
        """Have those keys too, and sign with the newest of them."""
        self._by_id = self._by_id | newer._by_id
        self.newest = newer.newest

    def get(self, key_id: str) -> ReceiptKey | None:
        """The key of an id; None where it is not at hand."""
        return self._by_id.get(key_id)


def new_secret() -> bytes:
    """A secret that nobody can guess."""
    return secrets.token_bytes(SECRET_BYTES)
