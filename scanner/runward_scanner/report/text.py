"""Text for a person: each finding with its line, a caret under the place, and the path to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runward_scanner.finding import Place
    from runward_scanner.scan import Report


def as_text(report: Report) -> str:
    """Write the findings and a last line that counts them."""
    parts = []
    for finding in report.findings:
        place = finding.place
        parts.append(f"{place.path}:{place.line}:{place.column + 1}: {finding.code} {finding.message}")
        parts.extend(_excerpt(report, place))
        parts.extend(
            f"    {step.place.path}:{step.place.line}:{step.place.column + 1}: {step.note}" for step in finding.steps
        )
    count = len(report.findings)
    found = "no findings" if not count else "1 finding" if count == 1 else f"{count} findings"
    files = "1 file" if report.files == 1 else f"{report.files} files"
    parts.append(f"{found} in {files}, {report.governed} of them governed")
    return "\n".join(parts) + "\n"


def _excerpt(report: Report, place: Place) -> list[str]:
    """The line and a caret under the place; nothing where the file could not be read."""
    line = report.lines.get((place.path, place.line))
    if line is None:
        return []
    shown = line.expandtabs(1).rstrip()
    width = max(1, min(place.end_column, len(shown)) - place.column)
    return [f"    {shown}", "    " + " " * place.column + "^" * width]
