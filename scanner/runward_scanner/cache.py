"""The cache: a report by the content of all that it came from, and what of it outlives a change.

A finding in one file may hang on any other that it leads to. The key covers the scanner itself, the settings, the names
of all files and the content of each. Where only files changed that the reading never looked into, and that are still no
governed code, the findings stay what they were, and those files alone are looked at again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runward_scanner.finding import finding_from_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from runward_scanner.finding import Finding
    from runward_scanner.settings import Settings
    from runward_scanner.source import Source


@dataclass(frozen=True, slots=True)
class Key:
    """What a report came from: a digest of scanner, settings, roots and file names; one of each file's content."""

    base: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """A report from the cache: its findings, the number of governed files, and the files that changed since."""

    findings: list[Finding]
    governed: int
    changed: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()


class Cache:
    """Reports in a folder, one file for each path that was scanned."""

    def __init__(self, folder: Path, scanned: Path) -> None:
        """Keep the report on ``scanned`` below ``folder``."""
        name = hashlib.sha256(str(scanned).encode(errors="surrogateescape")).hexdigest()[:32]
        self._file = folder / f"{name}.json"

    def read(self, key: Key) -> Kept | None:
        """The report under a key, unless a file that it came from changed; None where there is none that reads."""
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
            if data["base"] != key.base:
                return None
            changed = frozenset(name for name, digest in key.files.items() if data["files"].get(name) != digest)
            read = frozenset(data["read"])
            if not changed.isdisjoint(read):
                return None
            return Kept([finding_from_json(item) for item in data["findings"]], int(data["governed"]), changed, read)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, key: Key, kept: Kept, read: Collection[str]) -> None:
        """Keep a report and which files were read. A folder that cannot be written only costs speed."""
        data = {
            "base": key.base,
            "files": key.files,
            "read": sorted(read),
            "governed": kept.governed,
            "findings": [finding.to_json() for finding in kept.findings],
        }
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(".partial")
            partial.write_text(json.dumps(data), encoding="utf-8")
            partial.replace(self._file)
        except OSError:
            return


def key_of(settings: Settings, roots: Iterable[Path], sources: Collection[Source]) -> Key:
    """The key of a scan."""
    digest = hashlib.blake2b(repr((settings, sorted(map(str, roots)))).encode(errors="replace"), digest_size=32)
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(hashlib.blake2b(file.read_bytes(), digest_size=16).digest())
    for source in sources:
        digest.update(source.shown.encode(errors="surrogateescape") + b"\0")
    return Key(
        digest.hexdigest(),
        {source.shown: hashlib.blake2b(source.data, digest_size=16).hexdigest() for source in sources},
    )
