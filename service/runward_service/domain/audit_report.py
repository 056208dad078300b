"""What an audit of the receipts and their chain found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Finding(StrEnum):
    """What may be wrong."""

    JOB_EDITED = "JOB_EDITED"
    JOB_REMOVED = "JOB_REMOVED"
    JOB_RETURNED = "JOB_RETURNED"
    JOB_WITHOUT_RECEIPT = "JOB_WITHOUT_RECEIPT"
    ENTRY_EDITED = "ENTRY_EDITED"
    ENTRY_MOVED = "ENTRY_MOVED"
    ENTRIES_MISSING = "ENTRIES_MISSING"
    TAIL_MISSING = "TAIL_MISSING"
    HEAD_DIFFERS = "HEAD_DIFFERS"
    IMAGE_DAMAGED = "IMAGE_DAMAGED"


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that is wrong, at an entry of the chain (0: none) and a job (empty: none); ``parts`` are the members of
    the receipt's document, or the columns, that are not what was signed.
    """

    finding: Finding
    message: str
    seq: int = 0
    job_id: str = ""
    parts: tuple[str, ...] = ()


@dataclass(slots=True)
class Unverifiable:
    """The entries of a key that is not at hand: the first, the last, and how many."""

    first: int
    last: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    seq: int
    mac: bytes
    key_id: str


@dataclass(slots=True)
class AuditReport:
    """What was looked at, and what was found. ``findings`` holds the first MAX_FINDINGS of ``finding_count``.

    ``jobs_before`` are the finished jobs of before there were receipts; ``compacted_upto`` is the last entry that is
    gone by a checkpoint; ``notes`` are sentences on what could not be looked at.
    """

    entries: int = 0
    receipts: int = 0
    jobs_before: int = 0
    compacted_upto: int = 0
    images: int = 0
    head: Head | None = None
    finding_count: int = 0
    findings: list[AuditFinding] = field(default_factory=list)
    unverifiable: dict[str, Unverifiable] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, finding: AuditFinding) -> None:
        """Note a finding."""
        self.finding_count += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "verdict": self.verdict,
            "entries": self.entries,
            "receipts": self.receipts,
            "jobs_before_receipts": self.jobs_before,
            "compacted_upto": self.compacted_upto,
            "images": self.images,
            "head": {"seq": self.head.seq, "mac": self.head.mac.hex(), "key_id": self.head.key_id}
            if self.head
            else None,
            "finding_count": self.finding_count,
            "findings": [
                {
                    "finding": one.finding.value,
                    "message": one.message,
                    "seq": one.seq,
                    "job_id": one.job_id,
                    "parts": list(one.parts),
                }
                for one in self.findings
            ],
            "unverifiable": [
                {"key_id": key_id, "first": part.first, "last": part.last, "count": part.count}
                for key_id, part in self.unverifiable.items()
            ],
            "notes": self.notes,
        }

    @property
    def verdict(self) -> str:
        """WHOLE, BROKEN where something is wrong, else UNVERIFIABLE where a part could not be verified."""
        if self.finding_count:
            return "BROKEN"
        return "UNVERIFIABLE" if self.unverifiable else "WHOLE"


MAX_FINDINGS = 1000
