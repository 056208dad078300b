"""The chain of receipts in the store: every entry is added in the transaction of what it tells."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from runward_service.domain.chain import (
    NO_MAC,
    EntryKind,
    as_ranges,
    content_of,
    entry_document,
    receipt_content,
)
from runward_service.store.row_statements import by_chunk
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runward_service.domain.receipt import Receipt
    from runward_service.domain.receipt_keys import ReceiptKeys
    from runward_service.store.batch import Transaction

SQL_FILE = "receipts.sql"
SQL = statements(SQL_FILE)

logger = logging.getLogger(__name__)


class ChainHead(NamedTuple):
    """The last entry of the chain."""

    seq: int = 0
    mac: bytes = NO_MAC
    key_id: str = ""


class ReceiptChain:
    """Adds entries. The write lock is held, so that their order is that of the commits, whichever process writes."""

    def __init__(self, keys: ReceiptKeys) -> None:
        """Sign with the newest of the keys."""
        self.keys = keys

    def begin(self, tx: Transaction) -> None:
        """Make the first entry of a new chain, and tell the chain of a key that it does not know yet."""
        head, key_id = tx.chain_head, self.keys.newest.id
        if not head.seq:
            # Jobs of before there were receipts have none; no others may be without.
            count, revision = tx.execute(SQL["finished"]).fetchone()
            self.add(tx, EntryKind.BEGIN, {"jobs_before": count, "revision": revision})
        elif head.key_id != key_id and (key_id,) not in tx.execute(SQL["key_entries"]).fetchall():
            known = self.keys.get(head.key_id) is not None
            if not known:
                logger.warning("receipts of key %s cannot be verified: the key is not at hand", head.key_id)
            self.add(tx, EntryKind.KEY, {"previous_key_id": head.key_id, "previous_key_known": known})

    def continues(self, tx: Transaction) -> bool:
        """Whether the last entry, if there is one, was made with a key that is at hand."""
        head = tx.chain_head
        return not head.seq or self.keys.get(head.key_id) is not None

    def add(self, tx: Transaction, kind: EntryKind, value: Mapping[str, Any]) -> int:
        """Add an entry of another kind than a receipt; its seq."""
        head, key, content = tx.chain_head, self.keys.newest, content_of(value)
        seq = head.seq + 1
        mac = key.mac(entry_document(seq, kind, key.id, content, head.mac))
        tx.execute(SQL["insert_entry"], (seq, kind.value, key.id, content, mac))
        tx.chain_head = ChainHead(seq, mac, key.id)
        return seq

    def add_receipts(self, tx: Transaction, ends: Sequence[tuple[str, int, Receipt]]) -> list[int]:
        """Add the receipts of jobs, each with the job's id and the revision of its end; their seqs, in order."""
        (seq, previous, _), key, kind = tx.chain_head, self.keys.newest, EntryKind.RECEIPT
        rows = []
        for job_id, revision, receipt in ends:
            seq += 1
            content = receipt_content(job_id, revision, receipt.mac)
            previous = key.mac(entry_document(seq, kind, key.id, content, previous))
            rows.append((seq, kind.value, key.id, job_id, revision, receipt.mac, previous))
        for sql, parameters, _ in by_chunk(SQL_FILE, "insert_receipts", rows):
            tx.execute(sql, parameters)
        tx.chain_head = ChainHead(seq, previous, key.id)
        return [row[0] for row in rows]

    def add_removal(self, tx: Transaction, receipt_seqs: Sequence[int | None]) -> None:
        """Tell of jobs that are removed in this transaction, by their receipts; None for one that has none."""
        seqs = [seq for seq in receipt_seqs if seq is not None]
        removed = {"receipts": as_ranges(seqs), "without_receipt": len(receipt_seqs) - len(seqs)}
        entry = self.add(tx, EntryKind.REMOVAL, removed)
        if seqs:
            tx.execute(SQL["mark_removed"], (entry, json.dumps(seqs)))
