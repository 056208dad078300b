"""Text for a person: each finding with its line, a caret under the place, and the path to it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.finding import Place
    from runward_scanner.scan import Report

UNSEEN = "\N{REPLACEMENT CHARACTER}"
HIDDEN = {"\t": " ", "\f": " ", "\v": " ", "\N{NO-BREAK SPACE}": " ", "\N{IDEOGRAPHIC SPACE}": "\N{IDEOGRAPHIC SPACE}"}
"""What stands for letters that are not printed: one letter for each, or the caret would not stand below its place."""


def as_text(report: Report) -> str:
    """Write the findings and a last line that counts them."""
    parts = []
    for finding in report.findings:
        place = finding.place
        parts.append(f"{_shown(place)}: {finding.code} {_visible(finding.message)}")
        parts.extend(_excerpt(report, place))
        parts.extend(f"    {_shown(step.place)}: {_visible(step.note)}" for step in finding.steps)
    count = len(report.findings)
    found = "no findings" if not count else "1 finding" if count == 1 else f"{count} findings"
    files = "1 file" if report.files == 1 else f"{report.files} files"
    parts.append(f"{found} in {files}, {report.governed} of them governed")
    return "\n".join(parts) + "\n"


def _shown(place: Place) -> str:
    return f"{_visible(place.path)}:{place.line}:{place.column + 1}"


def _visible(text: str) -> str:
    """The text without what would move a terminal's cursor, colour it, or turn the direction of its letters."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _excerpt(report: Report, place: Place) -> list[str]:
    """The line and a caret under the place; nothing where the file could not be read."""
    line = report.lines.get((place.path, place.line))
    if line is None:
        return []
    shown = "".join(one if one.isprintable() else HIDDEN.get(one, UNSEEN) for one in line).rstrip()
    end = max(place.column + 1, min(place.end_column, len(shown)))
    before, below = (sum(map(_width, part)) for part in (shown[: place.column], shown[place.column : end]))
    return [f"    {shown}", "    " + " " * before + "^" * max(below, 1)]


def _width(letter: str) -> int:
    """How many columns of a terminal a letter takes."""
    if letter.isascii():
        return 1
    import unicodedata  # noqa: PLC0415 - hardly any line needs it

    return 0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in {"F", "W"} else 1
