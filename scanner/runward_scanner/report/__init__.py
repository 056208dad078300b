"""How a report is written, one format a file. A format's module is loaded when it is asked for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_scanner.scan import Report


def _text(report: Report) -> str:
    from runward_scanner.report.text import as_text  # noqa: PLC0415 - a scan should start quickly; so below

    return as_text(report)


def _json(report: Report) -> str:
    from runward_scanner.report.json import as_json  # noqa: PLC0415

    return as_json(report)


def _sarif(report: Report) -> str:
    from runward_scanner.report.sarif import as_sarif  # noqa: PLC0415

    return as_sarif(report)


def _github(report: Report) -> str:
    from runward_scanner.report.github import as_github  # noqa: PLC0415

    return as_github(report)


FORMATS: dict[str, Callable[[Report], str]] = {"text": _text, "json": _json, "sarif": _sarif, "github": _github}
