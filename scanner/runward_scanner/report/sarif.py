"""SARIF 2.1.0, as code hosts read it; the path of proof stands in ``codeFlows``."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import PurePath
from urllib.parse import quote

from runward_scanner import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runward_scanner.finding import Finding, Place
    from runward_scanner.scan import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(report: Report) -> str:
    """Write one run with every rule and every finding."""
    from runward_scanner.rules import RULES  # noqa: PLC0415 - no other format needs the rules, which take long to import

    indices = {rule.code: index for index, rule in enumerate(RULES)}
    run = {
        "tool": {
            "driver": {
                "name": "runward-scanner",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(rule.code, rule.title) for rule in RULES],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, indices) for finding in report.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(code: str, title: str) -> dict[str, Any]:
    return {
        "id": code,
        "name": code,
        "shortDescription": {"text": title},
        "fullDescription": {"text": f"{title}."},
        "help": {"text": f"runward scan --explain {code}"},
        "defaultConfiguration": {"level": "error"},
    }


def _result(finding: Finding, indices: dict[str, int]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": indices[finding.code],
        "level": "error",
        "message": {"text": finding.message},
        "locations": [_location(finding.place)],
        "partialFingerprints": {"findingHash/v1": _fingerprint(finding)},
    }
    if finding.steps:
        result["codeFlows"] = [{"threadFlows": [{"locations": _flow(finding)}]}]
    return result


def _flow(finding: Finding) -> list[dict[str, Any]]:
    steps = [_step(step.place, step.note) for step in finding.steps]
    return [*steps, _step(finding.place, finding.message)]


def _step(place: Place, note: str) -> dict[str, Any]:
    return {"location": _location(place, note)}


def _location(place: Place, note: str = "") -> dict[str, Any]:
    region = {"startLine": max(place.line, 1), "startColumn": place.column + 1}
    if place.end_column > place.column:
        region["endColumn"] = place.end_column + 1
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(place.path)}, "region": region},
    }
    if note:
        location["message"] = {"text": note}
    return location


def _uri(path: str) -> str:
    """A relative reference for a relative path, else a file URI."""
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(os.fsencode(pure.as_posix()))


def _fingerprint(finding: Finding) -> str:
    """What stays the same while lines move: file, rule and message."""
    text = "\0".join((finding.place.path, finding.code, finding.message))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
