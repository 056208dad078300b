"""Which of the entries that a chain does not bear out were edited, and which only moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runward_service.domain.audit_report import AuditFinding, Finding
from runward_service.domain.chain import entry_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runward_service.domain.chain import ChainEntry
    from runward_service.domain.receipt_keys import ReceiptKey, ReceiptKeys

MOST_TRIED = 16
"""Places and predecessors are tried for so many entries; of more, all count as edited."""


class Suspect(NamedTuple):
    """An entry whose MAC is not that of its content, place and predecessor (by the MAC of the entry before it)."""

    entry: ChainEntry
    previous: bytes
    job_id: str


def explained(suspects: Sequence[Suspect], keys: ReceiptKeys) -> Iterator[AuditFinding]:
    """What happened to each, but for those that only follow one that was edited or moved."""
    tried = suspects[:MOST_TRIED]
    known = [(suspect, key) for suspect in tried if (key := keys.get(suspect.entry.key_id)) is not None]
    before = {suspect.previous for suspect in tried} | {suspect.entry.mac for suspect in tried}
    before |= {key.mac(_document(suspect.entry, suspect.entry.seq, suspect.previous)) for suspect, key in known}
    places = [suspect.entry.seq for suspect in tried]
    for suspect, key in known:
        seq = suspect.entry.seq
        place = _place_of(suspect.entry, key, places, before)
        if place is None:
            yield AuditFinding(Finding.ENTRY_EDITED, f"entry {seq} is not what was written", seq, suspect.job_id)
        elif place != seq:
            message = f"entry {seq} was written as entry {place}: they were reordered"
            yield AuditFinding(Finding.ENTRY_MOVED, message, seq, suspect.job_id)
    for suspect in suspects[MOST_TRIED:]:
        seq = suspect.entry.seq
        yield AuditFinding(Finding.ENTRY_EDITED, f"entry {seq} is not what was written there", seq, suspect.job_id)


def _place_of(entry: ChainEntry, key: ReceiptKey, places: Sequence[int], before: set[bytes]) -> int | None:
    for place in (entry.seq, *places):
        if any(key.made(entry.mac, _document(entry, place, previous)) for previous in before):
            return place
    return None


def _document(entry: ChainEntry, seq: int, previous: bytes) -> bytes:
    return entry_document(seq, entry.kind, entry.key_id, entry.content, previous)
