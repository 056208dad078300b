"""The verdict on code that has not changed, so that only the first start with it waits for a scan.

It lies where the compiled files of the code lie that it speaks of, and not in the data folder: whoever could write a
false verdict there could as well write false code and its RECORD, so that it is trusted as far as the code itself and
no further. Where that folder cannot be written, every start scans.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runward_service.domain.governance_report import CodeFinding, CodeScan, FindingStep
from runward_service.governance.installation import SERVICE

if TYPE_CHECKING:
    from runward_service.governance.installation import Installation


class VerdictCache:
    """One file beside the service's compiled files."""

    def __init__(self, installation: Installation) -> None:
        """Keep the verdict on an installation."""
        self._file = installation.folders[SERVICE] / "__pycache__" / "governance.json"
        self._key = key_of(installation)

    def read(self) -> CodeScan | None:
        """The scan of this very code; None where there is none that reads, or one that was edited."""
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
            return _scan_from(data["scan"]) if data["key"] == self._key_of(data["scan"]) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def write(self, scan: CodeScan) -> None:
        """Keep a scan. Where that cannot be, the next start scans again."""
        found = dataclasses.asdict(scan)
        data = {"key": self._key_of(found), "scan": found}
        partial = self._file.with_suffix(f".{os.getpid()}.partial")
        try:
            self._file.parent.mkdir(exist_ok=True)
            partial.write_text(json.dumps(data), encoding="utf-8")
            partial.replace(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def _key_of(self, scan: object) -> str:
        """What tells that a scan is of this code, and as it was written."""
        return hashlib.sha256(f"{self._key} {json.dumps(scan, sort_keys=True)}".encode()).hexdigest()


def key_of(installation: Installation) -> str:
    """What a scan's result follows from: all code with its compiled files, the scanner's among it, and this Python."""
    digest = hashlib.sha256(sys.version.encode())
    for path, content in sorted(installation.digests.items()):
        digest.update(f"{content} {path}\n".encode(errors="surrogateescape"))
        digest.update(_compiled_digest(installation.file(path)))
    return digest.hexdigest()


def _compiled_digest(source: Path) -> bytes:
    """The digest of a source's compiled file with the times that decide whether Python takes it; empty without one."""
    try:
        data = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        return hashlib.sha256(data + str(source.stat().st_mtime_ns).encode()).digest()
    except (OSError, NotImplementedError):
        return b""


def _scan_from(data: dict[str, Any]) -> CodeScan:
    findings = tuple(
        CodeFinding(**{**item, "steps": tuple(FindingStep(**step) for step in item["steps"])})
        for item in data["findings"]
    )
    return CodeScan(data["version"], tuple(data["rules"]), findings, data["time_us"])
