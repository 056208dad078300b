"""Annotations that GitHub Actions shows beside the code."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.scan import Report


def as_github(report: Report) -> str:
    """Write one ``::error`` line a finding."""
    lines = []
    for finding in report.findings:
        place = finding.place
        where = {
            "file": place.path,
            "line": place.line,
            "col": place.column + 1,
            "endColumn": max(place.end_column, place.column) + 1,
            "title": finding.code,
        }
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in where.items())
        lines.append(f"::error {properties}::{_data(f'{finding.code} {finding.message}')}")
    return "".join(f"{line}\n" for line in lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
