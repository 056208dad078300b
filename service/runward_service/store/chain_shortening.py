"""The chain's oldest end: entries go once their jobs are gone, and a checkpoint tells of them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from runward_service.domain.chain import NO_MAC, EntryKind, entry_document, receipt_content
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.store.batch import Transaction
    from runward_service.store.receipt_chain import ReceiptChain

SQL = statements("receipts.sql")
LEAST_ENTRIES = 512
"""Fewer are not worth a checkpoint."""
MOST_ENTRIES = 1024
"""In one transaction, each of them verified."""

logger = logging.getLogger(__name__)


class UnsoundChainError(Exception):
    """Something is wrong with what was to go: it stays, for an audit to find."""


class ChainShortening:
    """Drops what it has verified, so that nothing that an audit would find is swept away with it."""

    def __init__(self, chain: ReceiptChain) -> None:
        """Verify with the chain's keys, enter checkpoints in it."""
        self._keys = chain.keys
        self._chain = chain
        self._removal: tuple[int, list[list[int]]] = (0, [])
        self._told = 0

    def shorten(self, tx: Transaction) -> int:
        """Drop some of the oldest entries, if enough of them are over; how many."""
        first, first_kept = tx.execute(SQL["chain_ends"]).fetchone()
        upto = min((first_kept or tx.chain_head.seq + 1) - 1, (first or 0) + MOST_ENTRIES - 1)
        if not first or upto - first + 1 < LEAST_ENTRIES:
            return 0
        try:
            checkpoint = self._verified(tx, tx.execute(SQL["oldest_entries"], (upto,)).fetchall())
        except UnsoundChainError as error:
            if self._told != first:
                logger.error("the chain of receipts keeps its oldest entries: %s; run 'runward admin audit'", error)
                self._told = first
            return 0
        self._chain.add(tx, EntryKind.CHECKPOINT, checkpoint)
        return int(tx.execute(SQL["delete_entries"], (upto,)).rowcount)

    def _verified(self, tx: Transaction, rows: Sequence[Any]) -> dict[str, Any]:
        """What a checkpoint tells of these entries. Raises UnsoundChainError."""
        row = tx.execute(SQL["last_checkpoint"]).fetchone()
        told = json.loads(row[0]) if row else {}
        first = rows[0][0]
        if first > 1 and told.get("upto") != first - 1:
            raise UnsoundChainError(f"entries up to {first - 1} are missing")
        previous = bytes.fromhex(told["mac"]) if first > 1 else NO_MAC
        unverified = told.get("unverified", 0)
        for place, (seq, kind, key_id, job_id, revision, receipt, content, mac, removed_by) in enumerate(rows, first):
            if kind == EntryKind.RECEIPT:
                self._check_removal(tx, seq, removed_by)
                content = receipt_content(job_id, revision, receipt)  # noqa: PLW2901 - of a receipt it is not stored
            elif kind == EntryKind.BEGIN:
                told = json.loads(content)
            if seq != place or not self._fits(seq, kind, key_id, content, previous, mac):
                raise UnsoundChainError(f"entry {place} is not what was written")
            unverified += self._keys.get(key_id) is None
            previous = mac
        return {
            "jobs_before": told.get("jobs_before", 0),
            "mac": previous.hex(),
            "revision": told.get("revision", 0),
            "unverified": unverified,
            "upto": rows[-1][0],
        }

    def _fits(self, seq: int, kind: int, key_id: str, content: str, previous: bytes, mac: bytes) -> bool:  # noqa: PLR0917
        """Whether an entry's MAC is its own; that of a key that is not at hand can never be told."""
        key = self._keys.get(key_id)
        return key is None or key.made(mac, entry_document(seq, EntryKind(kind), key_id, content, previous))

    def _check_removal(self, tx: Transaction, seq: int, entry: int) -> None:
        """Raises UnsoundChainError unless an entry tells of the removal of a receipt's job."""
        if self._removal[0] != entry:
            found = tx.execute(SQL["removal"], (entry, entry - 1)).fetchone()
            if found is None or not self._fits(entry, EntryKind.REMOVAL, *found):
                raise UnsoundChainError(f"entry {entry} tells of no removal")
            self._removal = (entry, json.loads(found[1])["receipts"])
        if not any(first <= seq <= last for first, last in self._removal[1]):
            raise UnsoundChainError(f"entry {entry} does not tell of the removal of entry {seq}'s job")
