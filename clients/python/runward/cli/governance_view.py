"""The report on a server's own code as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from runward.cli.text import clock, plain, status_text
from runward.cli.value_view import fields_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward.governance import Finding, GovernanceReport


def governance_view(report: GovernanceReport, target: str) -> RenderableType:
    """Render a report: the verdict, what is wrong, then what it rests on."""
    facts: dict[str, Any] = {
        "scanner": report.scanner_version,
        "rules": list(report.rules),
        "scanned": clock(report.scan_time),
        "files": len(report.file_digests),
        "code digest": report.code_digest,
        "plugins": [{"plugin": name, "code digest": digest} for name, digest in report.plugin_code_digests.items()],
    }
    shown = fields_view({name: value for name, value in facts.items() if value})
    return Group(
        Text.assemble(plain(target), " ", status_text(report.attestation)),
        *([plain(report.reason)] if report.reason else ()),
        *_wrong(report),
        Padding(shown, (0, 0, 0, 2), expand=False),
    )


def _wrong(report: GovernanceReport) -> Iterator[RenderableType]:
    for change in report.changes:
        yield Text.assemble("  ", status_text(change.kind), " ", plain(change.path))
    for finding in report.findings:
        yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[RenderableType]:
    place = f"{finding.path}:{finding.line}:{finding.column}"
    yield Text.assemble("  ", status_text(finding.rule), " ", plain(f"{place} {finding.message}"))
    for step in finding.steps:
        yield plain(f"      {step.path}:{step.line}:{step.column} {step.note}", "dim")
