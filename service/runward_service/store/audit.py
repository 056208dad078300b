"""The audit: every finished job against its receipt, and every receipt against its place in the chain."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from runward_service.domain.audit_report import AuditFinding, AuditReport, Finding, Head, Unverifiable
from runward_service.domain.chain import NO_MAC, EntryKind, entry_document
from runward_service.domain.receipt import document_of_job
from runward_service.store.chain_order import Suspect, explained
from runward_service.store.chain_rows import entry_of, is_mac, receipts_told_by, told_by
from runward_service.store.database import BUSY_TIMEOUT_MS
from runward_service.store.images import ImageStore
from runward_service.store.rows import job_of
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runward_service.domain.chain import ChainEntry
    from runward_service.domain.receipt_keys import ReceiptKey, ReceiptKeys
    from runward_service.store.database import Database

SQL = statements("job_reader.sql")
CHUNK_BYTES = 1024 * 1024
ENTRIES_A_TELLING = 1000
JOB_COLUMNS = 12
"""Where the columns of the job begin in a row of audited_chain."""


class AuditError(Exception):
    """The data cannot be audited; the message tells why."""


def audit(
    database: Database,
    keys: ReceiptKeys,
    progress: Callable[[str, int, int], None],
    *,
    head: Head | None = None,
    images: bool = False,
) -> AuditReport:
    """Audit a data folder as at one moment; servers go on meanwhile. ``head`` is the end that the chain had before.

    Needs memory for a few entries, however long the chain is. Raises SchemaError, or AuditError for what cannot be read
    as a database any more.
    """
    try:
        database.check_newest()
        with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA query_only = ON")
            connection.text_factory = lambda data: data.decode(errors="surrogateescape")  # also what is no UTF-8
            connection.execute("BEGIN")
            found = Audit(connection, keys, head)
            found.run(progress)
            if images:
                check_images(connection, ImageStore(database.images, ""), found.report, progress)
            return found.report
    except sqlite3.Error as error:
        raise AuditError(f"{database.path} cannot be read: {error}") from error


class Audit:
    """One walk along the chain."""

    def __init__(self, connection: sqlite3.Connection, keys: ReceiptKeys, head: Head | None) -> None:
        """Read within the connection's transaction."""
        self._connection = connection
        self._keys = keys
        self._expected_head = head
        self._previous: bytes | None = NO_MAC
        self._next_seq = 1
        self._suspects: list[Suspect] = []
        self._after_checkpoint: Suspect | None = None
        self._before = (0, 0)
        self._removal: tuple[int, list[list[int]]] = (0, [])
        self.report = AuditReport()

    def run(self, progress: Callable[[str, int, int], None]) -> None:
        """Walk."""
        (total,) = self._connection.execute(SQL["chain_length"]).fetchone()
        for row in self._connection.execute(SQL["audited_chain"]):
            self._look_at(row)
            if self.report.entries % ENTRIES_A_TELLING == 0:
                progress("entries", self.report.entries, total)
        if not total:
            self.report.add(AuditFinding(Finding.ENTRIES_MISSING, "the chain is empty: each server begins it", 1))
        if self._after_checkpoint is not None:
            first = self._after_checkpoint.entry.seq
            self._missing(1, first - 1)
        for finding in explained(self._suspects, self._keys):
            self.report.add(finding)
        self._look_for_unreceipted()
        self._compare_head()
        progress("entries", total, total)

    def _look_at(self, row: Sequence[Any]) -> None:
        seq, key_id, job_id, mac, removed_by = row[0], row[2], row[3], row[7], row[8]
        entry = entry_of(row[:9])
        report = self.report
        report.entries += 1
        report.head = Head(seq, mac if is_mac(mac) else NO_MAC, key_id)
        if entry is None:
            self._unreadable(seq, job_id, mac)
            return
        key = self._key_of(entry, job_id)
        sound = self._in_its_place(entry, key, job_id)
        self._previous, self._next_seq = mac, seq + 1
        if self._expected_head is not None and seq == self._expected_head.seq and mac != self._expected_head.mac:
            report.add(AuditFinding(Finding.HEAD_DIFFERS, f"entry {seq} is not that of the exported head", seq, job_id))
        if entry.kind is EntryKind.RECEIPT:
            report.receipts += 1
            if row[JOB_COLUMNS] is None:
                self._look_for_removal(entry, job_id, removed_by)
            elif sound and key is not None:
                self._compare_job(row, key, removed_by)
        elif sound:
            self._take_note(entry)

    def _unreadable(self, seq: int, job_id: str, mac: Any) -> None:
        """Tell of a row that is no entry at all, and go on with the MAC that it has."""
        if 1 < self._next_seq < seq:
            self._missing(self._next_seq, seq - 1)
        self._previous, self._next_seq = mac if is_mac(mac) else None, seq + 1
        self.report.add(AuditFinding(Finding.ENTRY_EDITED, f"entry {seq} is not what was written", seq, job_id))

    def _key_of(self, entry: ChainEntry, job_id: str) -> ReceiptKey | None:
        """The key of an entry; None, and that is told, where it is not at hand. One that is, but not by the id that
        stands there, was edited.
        """
        key = self._keys.get(entry.key_id)
        if key is not None:
            return key
        for other in self._keys if entry.seq == self._next_seq and self._previous is not None else ():
            document = entry_document(entry.seq, entry.kind, other.id, entry.content, self._previous or NO_MAC)
            if other.made(entry.mac, document):
                message = f"entry {entry.seq} is not what was written: its key was {other.id}"
                self.report.add(AuditFinding(Finding.ENTRY_EDITED, message, entry.seq, job_id))
                return other
        self._unverifiable(entry.key_id, entry.seq)
        return None

    def _in_its_place(self, entry: ChainEntry, key: ReceiptKey | None, job_id: str) -> bool:
        """Whether nothing speaks against an entry; where it cannot be told yet, that is looked at later."""
        if entry.seq != self._next_seq:
            if self._next_seq == 1:
                self._after_checkpoint = Suspect(entry, NO_MAC, job_id)
            else:
                self._missing(self._next_seq, entry.seq - 1)
            self._previous = None
        if key is None or self._previous is None:
            return True
        document = entry_document(entry.seq, entry.kind, key.id, entry.content, self._previous)
        if key.made(entry.mac, document):
            return True
        self._suspects.append(Suspect(entry, self._previous, job_id))
        return False

    def _missing(self, first: int, last: int) -> None:
        entries = f"entry {first} is" if first == last else f"entries {first} to {last} are"
        self.report.add(AuditFinding(Finding.ENTRIES_MISSING, f"{entries} missing in the chain", first))

    def _unverifiable(self, key_id: str, seq: int) -> None:
        part = self.report.unverifiable.setdefault(key_id, Unverifiable(seq, seq, 0))
        part.last, part.count = seq, part.count + 1

    def _take_note(self, entry: ChainEntry) -> None:
        """Take in what an entry tells that is no receipt."""
        try:
            self._take_in(entry, told_by(entry.content))
        except (KeyError, TypeError, ValueError):  # of a key that is not at hand
            message = f"entry {entry.seq} tells nothing that a server writes"
            self.report.add(AuditFinding(Finding.ENTRY_EDITED, message, entry.seq))

    def _take_in(self, entry: ChainEntry, told: dict[str, Any]) -> None:
        if entry.kind is EntryKind.BEGIN:
            if entry.seq != 1:
                raise ValueError(entry)
            self._before = (int(told["jobs_before"]), int(told["revision"]))
        elif entry.kind is EntryKind.CHECKPOINT:
            self._before = (int(told["jobs_before"]), int(told["revision"]))
            first = self._after_checkpoint
            if first is not None and told["upto"] == first.entry.seq - 1:
                previous = bytes.fromhex(told["mac"])
                self._after_checkpoint = None
                self.report.compacted_upto = told["upto"]
                self._look_after_checkpoint(first, previous)

    def _look_after_checkpoint(self, first: Suspect, previous: bytes) -> None:
        """Look at the first entry that is left, whose predecessor a checkpoint tells."""
        entry, key, head = first.entry, self._keys.get(first.entry.key_id), self._expected_head
        document = entry_document(entry.seq, entry.kind, entry.key_id, entry.content, previous)
        if key is not None and not key.made(entry.mac, document):
            self._suspects.append(Suspect(entry, previous, first.job_id))
        if head is not None and head.seq == entry.seq - 1 and head.mac != previous:
            message = f"entry {head.seq} was not that of the exported head"
            self.report.add(AuditFinding(Finding.HEAD_DIFFERS, message, head.seq))

    def _look_for_removal(self, entry: ChainEntry, job_id: str, removed_by: int | None) -> None:
        if removed_by is not None:
            if self._removal[0] != removed_by:
                row = self._connection.execute(SQL["chain_content"], (removed_by,)).fetchone()
                told = receipts_told_by(row[1]) if row and row[0] == EntryKind.REMOVAL else []
                self._removal = (removed_by, told)
            if any(first <= entry.seq <= last for first, last in self._removal[1]):
                return
        message = f"job {job_id} is gone, and the chain tells of no removal"
        self.report.add(AuditFinding(Finding.JOB_REMOVED, message, entry.seq, job_id))

    def _compare_job(self, row: Sequence[Any], key: ReceiptKey, removed_by: int | None) -> None:
        seq, job_id, revision, receipt = row[0], row[3], row[4], row[5]
        try:
            job = job_of(row[JOB_COLUMNS:])
            document = document_of_job(job, key.id)
        except Exception as error:  # noqa: BLE001 - whatever somebody wrote there
            self._edited(seq, job_id, ["unreadable"], f": {error}")
            return
        parts = unread_parts(row[JOB_COLUMNS:])
        if not key.made(receipt, document.data):
            parts = document.differing(row[10]) or ["receipt_marks"]
        if row[9] != seq:
            parts.append("receipt_seq")
        if job.revision != revision:
            parts.append("revision")
        if not parts and not row[11] and removed_by is None:
            parts.append("log")
        if parts:
            self._edited(seq, job_id, parts)
        if removed_by is not None:
            message = f"job {job_id} is there, though entry {removed_by} tells of its removal"
            self.report.add(AuditFinding(Finding.JOB_RETURNED, message, seq, job_id))

    def _edited(self, seq: int, job_id: str, parts: list[str], why: str = "") -> None:
        message = f"job {job_id} was edited: {', '.join(parts)}{why}"
        self.report.add(AuditFinding(Finding.JOB_EDITED, message, seq, job_id, tuple(parts)))

    def _look_for_unreceipted(self) -> None:
        allowed, upto = self._before
        for job_id, receipt_seq, revision in self._connection.execute(SQL["unreceipted_jobs"]):
            if receipt_seq is None and revision <= upto and self.report.jobs_before < allowed:
                self.report.jobs_before += 1
                continue
            message = f"job {job_id} has ended, and the chain has no receipt of it"
            self.report.add(AuditFinding(Finding.JOB_WITHOUT_RECEIPT, message, receipt_seq or 0, job_id))

    def _compare_head(self) -> None:
        expected, head = self._expected_head, self.report.head
        if expected is None:
            return
        last = head.seq if head else 0
        if expected.seq > last:
            message = f"the chain ends with entry {last}; entries {last + 1} to {expected.seq} were cut off"
            self.report.add(AuditFinding(Finding.TAIL_MISSING, message, last + 1))
        elif expected.seq < self.report.compacted_upto:
            note = (
                f"the exported head, entry {expected.seq}, is older than what the chain was shortened by: not compared"
            )
            self.report.notes.append(note)


def unread_parts(columns: Sequence[Any]) -> list[str]:
    """The members that columns belong to in which there is what no server writes, and no job shows."""
    error, flags = columns[28:33], {"outcome": columns[34], "request": columns[37]}
    parts = [name for name, flag in flags.items() if flag not in {0, 1}]
    return parts if error[0] is not None or set(error) == {None} else ["error", *parts]


def check_images(
    connection: sqlite3.Connection, files: ImageStore, report: AuditReport, progress: Callable[[str, int, int], None]
) -> None:
    """Compare every image with its digest."""
    for digest, size_bytes, data in connection.execute(SQL["image_digests"]):
        report.images += 1
        progress("images", report.images, 0)
        if problem := image_problem(files, digest, size_bytes, data):
            report.add(AuditFinding(Finding.IMAGE_DAMAGED, f"the image {digest} {problem}"))


def image_problem(files: ImageStore, digest: str, size_bytes: int, data: bytes | None) -> str:
    """What is wrong with an image, empty where nothing is."""
    found = hashlib.sha256(data or b"")
    size = len(data or b"")
    if data is None:
        try:
            with files.path_of(digest).open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    found.update(chunk)
                    size += len(chunk)
        except OSError as error:
            return f"cannot be read: {error}"
    if f"sha256:{found.hexdigest()}" != digest or size != size_bytes:
        return "has other bytes than those of its digest"
    return ""
