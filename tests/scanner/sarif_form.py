"""What version 2.1.0 of SARIF asks of the parts of a log that the scanner writes, as a JSON Schema of our own.

The published schema is not in the tree; ``python -m tests.scanner.published_schema FILE`` holds every case's log
against a copy of it, as CI does.
"""

from __future__ import annotations

from typing import Any


def closed(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    """An object with these properties and no others; the standard allows no property that it does not name."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def listed(items: dict[str, Any], least: int = 0) -> dict[str, Any]:
    """An array of such items."""
    return {"type": "array", "items": items, "minItems": least}


TEXT = {"type": "string"}
URI = {"type": "string", "format": "uri-reference"}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
FROM_1 = {"type": "integer", "minimum": 1}
MESSAGE = closed(("text",), text=TEXT)
REGION = closed(startLine=FROM_1, startColumn=FROM_1, endColumn=FROM_1)
LOCATION = closed(
    physicalLocation=closed(artifactLocation=closed(("uri",), uri=URI), region=REGION),
    message=MESSAGE,
)
FLOW = closed(("locations",), locations=listed(closed(location=LOCATION), 1))
RESULT = closed(
    ("message",),
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    message=MESSAGE,
    locations=listed(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    codeFlows=listed(closed(("threadFlows",), threadFlows=listed(FLOW, 1))),
)
RULE = closed(
    ("id",),
    id=TEXT,
    name=TEXT,
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed(level=LEVEL),
)
DRIVER = closed(
    ("name",),
    name=TEXT,
    version=TEXT,
    semanticVersion=TEXT,
    rules={**listed(RULE), "uniqueItems": True},
)
RUN = closed(
    ("tool",),
    tool=closed(("driver",), driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=listed(RESULT),
)
LOG = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **closed(
        ("version", "runs"),
        **{"$schema": {"type": "string", "format": "uri"}},
        version={"const": "2.1.0"},
        runs=listed(RUN),
    ),
}
