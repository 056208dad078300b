"""The cache: a report by the content of all that it came from.

A finding in one file may hang on any other that it leads to, so the key covers every file of the scan, the settings and
the scanner itself: what is read back is what a cold scan would find.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from runward_scanner.finding import finding_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runward_scanner.finding import Finding
    from runward_scanner.settings import Settings
    from runward_scanner.source import Source


class Cache:
    """Reports in a folder, one file for each path that was scanned."""

    def __init__(self, folder: Path, scanned: Path) -> None:
        """Keep the report on ``scanned`` below ``folder``."""
        name = hashlib.sha256(str(scanned).encode(errors="surrogateescape")).hexdigest()[:32]
        self._file = folder / f"{name}.json"

    def read(self, key: str) -> tuple[list[Finding], int] | None:
        """The findings and the number of governed files under a key; None where there are none, or they do not read."""
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
            if data["key"] != key:
                return None
            return [finding_from_json(item) for item in data["findings"]], int(data["governed"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, key: str, findings: Iterable[Finding], governed: int) -> None:
        """Keep a report. A folder that cannot be written only costs the next scan its speed."""
        data = {"key": key, "governed": governed, "findings": [finding.to_json() for finding in findings]}
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(".partial")
            partial.write_text(json.dumps(data), encoding="utf-8")
            partial.replace(self._file)
        except OSError:
            return


def key_of(settings: Settings, sources: Iterable[Source]) -> str:
    """The key of a scan: the scanner's own code, the settings, and every file's name and content."""
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=32)
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(hashlib.blake2b(file.read_bytes(), digest_size=16).digest())
    for source in sources:
        digest.update(source.shown.encode(errors="surrogateescape") + b"\0")
        digest.update(hashlib.blake2b(source.data, digest_size=16).digest())
    return digest.hexdigest()
