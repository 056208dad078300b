"""The chain of receipts: entries of which each one's MAC covers the one before. docs/receipts.md has its format."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from runward_service.domain.digests import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

CHAIN_SCHEMA = "runward.chain/1"
NO_MAC = bytes(32)
"""What comes before the first entry."""


class EntryKind(IntEnum):
    """What an entry tells; the numbers are the store's."""

    RECEIPT = 1
    BEGIN = 2
    KEY = 3
    REMOVAL = 4
    CHECKPOINT = 5


class ChainEntry(NamedTuple):
    """One entry: its place, what it tells as RFC 8785 JSON, and its MAC under a key."""

    seq: int
    kind: EntryKind
    key_id: str
    content: str
    mac: bytes


def entry_document(seq: int, kind: EntryKind, key_id: str, content: str, previous: bytes) -> bytes:
    """What an entry's MAC is over; ``previous`` is the MAC of the entry before."""
    return (
        f'{{"content":{content},"key_id":"{key_id}","kind":"{kind.name.lower()}","previous":"{previous.hex()}",'
        f'"schema":"{CHAIN_SCHEMA}","seq":{seq}}}'
    ).encode()


def receipt_content(job_id: str, revision: int, mac: bytes) -> str:
    """The content of the entry of a job's receipt: the job ended with this revision of the log."""
    return f'{{"job_id":"{job_id}","receipt":"{mac.hex()}","revision":{revision}}}'


def content_of(value: Mapping[str, Any]) -> str:
    """The content of an entry of another kind."""
    return canonical_json(dict(value)).decode()


def as_ranges(numbers: list[int]) -> list[list[int]]:
    """Numbers as [first, last] pairs in order."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges
