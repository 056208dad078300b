"""Rows of the chain as entries, whatever somebody wrote into them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runward_service.domain.chain import NO_MAC, ChainEntry, EntryKind, receipt_content

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_OF_A_RECEIPT = ("", 0, None)
"""What the columns of a receipt hold in an entry of another kind: job_id, revision, receipt."""


def entry_of(row: Sequence[Any]) -> ChainEntry | None:
    """The entry of a row (seq, kind, key_id, job_id, revision, receipt, content, mac, removed_by); None where no server
    writes such a row: what the MAC is not over has to be as it was written, too.
    """
    seq, kind, key_id, job_id, revision, receipt, content, mac, removed_by = row
    if not is_mac(mac) or kind not in set(EntryKind) or not are_texts(key_id, job_id, content):
        return None
    if kind != EntryKind.RECEIPT:
        written = (job_id, revision, receipt) == NOT_OF_A_RECEIPT and removed_by is None
        return ChainEntry(seq, EntryKind(kind), key_id, content, mac) if written else None
    if content or not is_mac(receipt):
        return None
    return ChainEntry(seq, EntryKind.RECEIPT, key_id, receipt_content(job_id, revision, receipt), mac)


def is_mac(value: object) -> bool:
    """Whether a column holds what may be a MAC."""
    return isinstance(value, bytes) and len(value) == len(NO_MAC)


def are_texts(*values: str) -> bool:
    """Whether columns hold Unicode; bytes that are none are lone surrogates."""
    try:
        "".join(values).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def told_by(content: str) -> dict[str, Any]:
    """What the content of an entry of another kind than a receipt tells; nothing where it is no JSON object."""
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def receipts_told_by(content: str) -> list[list[int]]:
    """The receipts that the entry of a removal tells of, as [first, last] pairs; none where it is none."""
    told = told_by(content).get("receipts")
    pairs = told if isinstance(told, list) else []
    return [pair for pair in pairs if isinstance(pair, list) and list(map(type, pair)) == [int, int]]
