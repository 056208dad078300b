"""The chain's oldest end: entries go once their jobs are gone, and a checkpoint tells of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from runward_service.domain.chain import NO_MAC, EntryKind, entry_document
from runward_service.store.chain_rows import entry_of, is_mac, receipts_told_by, told_by
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.domain.chain import ChainEntry
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
        told = told_by(row[0]) if row else {}
        first = rows[0][0]
        if first > 1 and told.get("upto") != first - 1:
            raise UnsoundChainError(f"entries up to {first - 1} are missing")
        previous = bytes.fromhex(told["mac"]) if first > 1 else NO_MAC
        unverified = told.get("unverified", 0)
        for place, row in enumerate(rows, first):
            entry = entry_of(row)
            if entry is None or entry.seq != place or not self._fits(entry, previous):
                raise UnsoundChainError(f"entry {place} is not what was written")
            if entry.kind is EntryKind.RECEIPT:
                self._check_removal(tx, entry.seq, row[8])
            elif entry.kind is EntryKind.BEGIN:
                told = told_by(entry.content)
            unverified += self._keys.get(entry.key_id) is None
            previous = entry.mac
        return {
            "jobs_before": told.get("jobs_before", 0),
            "mac": previous.hex(),
            "revision": told.get("revision", 0),
            "unverified": unverified,
            "upto": rows[-1][0],
        }

    def _fits(self, entry: ChainEntry, previous: bytes) -> bool:
        """Whether an entry's MAC is its own; that of a key that is not at hand can never be told."""
        key = self._keys.get(entry.key_id)
        document = entry_document(entry.seq, entry.kind, entry.key_id, entry.content, previous)
        return key is None or key.made(entry.mac, document)

    def _check_removal(self, tx: Transaction, seq: int, place: int) -> None:
        """Raises UnsoundChainError unless an entry tells of the removal of a receipt's job."""
        if self._removal[0] != place:
            found = tx.execute(SQL["removal"], (place,)).fetchone()
            entry = entry_of(found[:9]) if found is not None and is_mac(found[9]) else None
            if entry is None or not self._fits(entry, found[9]):
                raise UnsoundChainError(f"entry {place} tells of no removal")
            self._removal = (place, receipts_told_by(entry.content))
        if not any(first <= seq <= last for first, last in self._removal[1]):
            raise UnsoundChainError(f"entry {place} does not tell of the removal of entry {seq}'s job")
