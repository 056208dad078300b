"""GovernanceReport: what the server found when it checked its own code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward.enums import Attestation, FileChangeKind, enum_from_proto
from runward.times import from_timestamp
from runward.v1 import governance_pb2

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that is not what it should be. Digests are "sha256:<hex>", or empty where there is none."""

    path: str
    kind: FileChangeKind
    expected_digest: str
    actual_digest: str


@dataclass(frozen=True, slots=True)
class FindingStep:
    """One step on the way to a finding; line and column from 1."""

    path: str
    line: int
    column: int
    note: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation that the scanner found; line and column from 1. `steps` is the path that proves it, in order."""

    rule: str
    path: str
    line: int
    column: int
    message: str
    steps: tuple[FindingStep, ...]


@dataclass(frozen=True, slots=True)
class GovernanceReport:
    """The verdict on a server's own code. Fields are those of the proto's GetGovernanceReportResponse."""

    attestation: Attestation
    reason: str
    """Why the verdict is not ATTESTED; empty where it is."""
    scanner_version: str
    rules: tuple[str, ...]
    """The ids of the rules that were applied."""
    code_digest: str
    """The digest of the server's packages, the same for every installation of one build."""
    scan_time: datetime | None
    findings: tuple[Finding, ...]
    changes: tuple[FileChange, ...]
    plugin_code_digests: dict[str, str]
    """The code digest of each plugin that could be loaded, by name."""
    file_digests: dict[str, str]
    """The digest of each file in `code_digest`, by its path."""

    @classmethod
    def from_proto(cls, response: governance_pb2.GetGovernanceReportResponse) -> GovernanceReport:
        """Read a GetGovernanceReportResponse message.

        Raises RunwardError for a verdict, or a kind of change, that this client does not know.
        """
        name_of = governance_pb2.Attestation.Name
        return cls(
            attestation=enum_from_proto(Attestation, name_of, "ATTESTATION_", response.attestation),
            reason=response.reason,
            scanner_version=response.scanner_version,
            rules=tuple(response.rules),
            code_digest=response.code_digest,
            scan_time=from_timestamp(response, "scan_time"),
            findings=tuple(map(_finding, response.findings)),
            changes=tuple(map(_change, response.changes)),
            plugin_code_digests=dict(sorted(response.plugin_code_digests.items())),
            file_digests=dict(sorted(response.file_digests.items())),
        )


def _finding(finding: governance_pb2.Finding) -> Finding:
    steps = tuple(FindingStep(step.path, step.line, step.column, step.note) for step in finding.steps)
    return Finding(finding.rule, finding.path, finding.line, finding.column, finding.message, steps)


def _change(change: governance_pb2.FileChange) -> FileChange:
    kind = enum_from_proto(FileChangeKind, governance_pb2.FileChangeKind.Name, "FILE_CHANGE_KIND_", change.kind)
    return FileChange(change.path, kind, change.expected_digest, change.actual_digest)
