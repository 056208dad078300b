"""How a report is written, one format a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_scanner.report.github import as_github
from runward_scanner.report.json import as_json
from runward_scanner.report.sarif import as_sarif
from runward_scanner.report.text import as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_scanner.scan import Report

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}
