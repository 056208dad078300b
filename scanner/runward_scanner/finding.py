"""What a rule finds: where, why, and the path that proves it."""

from __future__ import annotations

from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Place(NamedTuple):
    """A stretch of one line: the file as given to the scan, line from 1, columns from 0 in characters."""

    path: str
    line: int
    column: int = 0
    end_column: int = 0


class Step(NamedTuple):
    """One step of a proof: a place and what happens there."""

    place: Place
    note: str


class Finding(NamedTuple):
    """One violation. ``steps`` lead to it in order and end before it."""

    place: Place
    code: str
    message: str
    steps: tuple[Step, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the finding as JSON-able data, columns from 1 as editors count."""
        return {
            "rule": self.code,
            "message": self.message,
            **place_json(self.place),
            "steps": [{**place_json(step.place), "note": step.note} for step in self.steps],
        }


def place_json(place: Place) -> dict[str, Any]:
    """Give a place as JSON-able data."""
    return {
        "path": place.path,
        "line": place.line,
        "column": place.column + 1,
        "end_column": max(place.end_column, place.column) + 1,
    }


def place_from_json(data: dict[str, Any]) -> Place:
    """Read back what place_json wrote. Raises KeyError or TypeError where it is not such data."""
    return Place(str(data["path"]), int(data["line"]), int(data["column"]) - 1, int(data["end_column"]) - 1)


def finding_from_json(data: dict[str, Any]) -> Finding:
    """Read back what Finding.to_json wrote. Raises KeyError or TypeError where it is not such data."""
    steps = tuple(Step(place_from_json(step), str(step["note"])) for step in data["steps"])
    return Finding(place_from_json(data), str(data["rule"]), str(data["message"]), steps)
