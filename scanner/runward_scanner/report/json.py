"""JSON for programs."""

from __future__ import annotations

import json

from runward_scanner import __version__
from runward_scanner.rules import RULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.scan import Report


def as_json(report: Report) -> str:
    """Write version, rules, counts and findings, columns from 1. Fields may be added; none is renamed or removed."""
    data = {
        "version": __version__,
        "rules": [{"id": rule.code, "title": rule.title} for rule in RULES],
        "files": report.files,
        "governed": report.governed,
        "findings": [finding.to_json() for finding in report.findings],
    }
    return json.dumps(data, indent=2) + "\n"
