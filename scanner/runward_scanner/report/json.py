"""JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runward_scanner import __version__

if TYPE_CHECKING:
    from runward_scanner.scan import Report


def as_json(report: Report) -> str:
    """Write the findings, columns from 1."""
    data = {
        "version": __version__,
        "files": report.files,
        "governed": report.governed,
        "findings": [finding.to_json() for finding in report.findings],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
