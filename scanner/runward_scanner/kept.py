"""A report as it is kept: what was found, and in which readings."""

from __future__ import annotations

from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runward_scanner.finding import Finding
    from runward_scanner.reading import Reading


class Kept(NamedTuple):
    """A report: its findings, the number of governed files, the readings, and the files that changed since."""

    findings: list[Finding]
    governed: int
    readings: list[dict[str, Any]]
    """The readings as JSON-able data: what is not needed is not made an object of."""
    digests: Mapping[str, str] = {}
    """The content of each file that the report came from."""
    changed: frozenset[str] = frozenset()

    @property
    def read(self) -> frozenset[str]:
        """The files that the findings came from, beside those that merely have to parse."""
        return frozenset(name for reading in self.readings for name in (*reading["files"], *reading["reached"]))


def reading_json(reading: Reading) -> dict[str, Any]:
    """Give a reading as JSON-able data."""
    return {
        "files": sorted(reading.files),
        "reached": sorted(reading.reached),
        "told": sorted(reading.told),
        "asked": sorted(reading.asked),
        "findings": [finding.to_json() for finding in reading.findings],
    }
