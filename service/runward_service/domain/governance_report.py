"""What the server found when it checked its own code."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Attestation(StrEnum):
    """Whether the running code is what was built, and clean."""

    ATTESTED = "ATTESTED"
    UNATTESTED = "UNATTESTED"
    VIOLATED = "VIOLATED"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def holds(self) -> bool:
        """Whether a server of this verdict serves."""
        return self in {Attestation.ATTESTED, Attestation.UNATTESTED}


class FileChangeKind(StrEnum):
    """How a file differs from what it should be; proto/runward/v1/governance.proto documents each."""

    MODIFIED = "MODIFIED"
    MISSING = "MISSING"
    ADDED = "ADDED"
    ELSEWHERE = "ELSEWHERE"
    SINCE_START = "SINCE_START"


@dataclass(frozen=True, slots=True, order=True)
class FileChange:
    """One file that is not what it should be. Digests are "sha256:<hex>" or empty."""

    path: str
    kind: FileChangeKind
    expected: str = ""
    actual: str = ""

    def __str__(self) -> str:
        """The change as the log and reasons tell it."""
        return f"{self.path} {CHANGE_TEXTS[self.kind]}"


CHANGE_TEXTS = {
    FileChangeKind.MODIFIED: "is not what was built",
    FileChangeKind.MISSING: "is missing",
    FileChangeKind.ADDED: "was not built",
    FileChangeKind.ELSEWHERE: "was loaded from outside of the installed packages",
    FileChangeKind.SINCE_START: "was changed after the server's start",
}


@dataclass(frozen=True, slots=True)
class FindingStep:
    """One step on the way to a finding; line and column from 1."""

    path: str
    line: int
    column: int
    note: str


@dataclass(frozen=True, slots=True)
class CodeFinding:
    """One violation that the scanner found; line and column from 1."""

    rule: str
    path: str
    line: int
    column: int
    message: str
    steps: tuple[FindingStep, ...] = ()

    def __str__(self) -> str:
        """The finding as the log and reasons tell it."""
        return f"{self.path}:{self.line}:{self.column}: {self.rule} {self.message}"


@dataclass(frozen=True, slots=True)
class CodeScan:
    """What the scanner said: its version, the ids of its rules, its findings, and when (microseconds since 1970)."""

    version: str = ""
    rules: tuple[str, ...] = ()
    findings: tuple[CodeFinding, ...] = ()
    time_us: int = 0


@dataclass(frozen=True, slots=True)
class GovernanceReport:
    """The verdict and what it rests on.

    ``reason`` is a clause, empty for ATTESTED; ``file_digests`` are "sha256:<hex>" by path.
    """

    attestation: Attestation
    reason: str
    scan: CodeScan = CodeScan()
    code_digest: str = ""
    file_digests: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[FileChange, ...] = ()
