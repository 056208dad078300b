"""The cache: a report, the readings that it came from, and which of them outlive a change.

The base covers Python, the scanner itself, the settings, the roots and the names of all files: where it differs,
nothing is kept. A reading is good for as long as none of the files changed that it read or led to. A file whose syntax
tree is the same as before (a comment, a line break) did not change for a reading that found nothing in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

from runward_scanner.finding import finding_from_json
from runward_scanner.kept import Kept
from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

    from runward_scanner.settings import Settings
    from runward_scanner.source import Source


class Key(NamedTuple):
    """What a report came from: a digest of scanner, settings, roots and file names; one of each file's content."""

    base: str
    files: dict[str, str]


class Cache:
    """Reports in a folder, two files for each path that was scanned: the report, and the texts that were read."""

    def __init__(self, folder: Path, scanned: str) -> None:
        """Keep the report on ``scanned`` below ``folder``."""
        name = hashlib.sha256(scanned.encode(errors="surrogateescape")).hexdigest()[:32]
        self._report = folder / f"{name}.json"
        self._texts = folder / f"{name}.texts.json"
        self._known_texts: dict[str, Any] | None = None

    def read(self, key: Key) -> Kept | None:
        """The last report on these files, with the files that changed; None where there is none that reads."""
        data = _load(self._report)
        try:
            if data["base"] != key.base:
                return None
            digests = dict(data["files"])
            changed = frozenset(name for name, digest in key.files.items() if digests.get(name) != digest)
            findings = [finding_from_json(item) for item in data["findings"]]
            return Kept(findings, int(data["governed"]), list(data["readings"]), digests, changed)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def text(self, name: str, digest: str) -> str | None:
        """The text that a reading read, by its file's name and content; None where it was not kept."""
        if self._known_texts is None:
            self._known_texts = _load(self._texts)
        found = self._known_texts.get(name)
        return found[1] if isinstance(found, list) and len(found) == 2 and found[0] == digest else None

    def write(self, key: Key, kept: Kept, sources: Iterable[Source]) -> None:
        """Keep a report and the texts that its readings read. A folder that cannot be written only costs speed."""
        read = kept.read
        texts = {source.shown: [key.files[source.shown], source.text] for source in sources if source.shown in read}
        _store(self._texts, texts)
        data = {
            "base": key.base,
            "files": key.files,
            "governed": kept.governed,
            "readings": kept.readings,
            "findings": [finding.to_json() for finding in kept.findings],
        }
        _store(self._report, data)


def _load(file: Path) -> dict[str, Any]:
    """What was stored, to the byte; empty where it is anything else."""
    try:
        digest, _, body = file.read_bytes().partition(b"\n")
        data = json.loads(body) if digest == _digest(body) else {}
    except OSError:
        return {}
    return data if isinstance(data, dict) else {}


def _store(file: Path, data: dict[str, Any]) -> None:
    partial = file.with_suffix(f".{os.getpid()}.partial")  # other scans may store theirs at the same time
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        body = json.dumps(data).encode()
        partial.write_bytes(_digest(body) + b"\n" + body)
        partial.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).hexdigest().encode()


def key_of(settings: Settings, roots: Iterable[str], sources: Collection[Source]) -> Key:
    """The key of a scan. What parses, and as what, is this Python's to say."""
    told = repr((sys.version, settings, sorted(roots)))
    digest = hashlib.blake2b(told.encode(errors="backslashreplace"), digest_size=32)
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(hashlib.blake2b(file.read_bytes(), digest_size=16).digest())
    for source in sources:
        digest.update(source.shown.encode(errors="surrogateescape") + b"\0")
    return Key(
        digest.hexdigest(),
        {source.shown: hashlib.blake2b(source.data, digest_size=16).hexdigest() for source in sources},
    )
