"""What is installed: where the packages lie, which files they have, what the distribution recorded of them."""

from __future__ import annotations

import base64
import csv
import importlib.machinery
import importlib.util
import json
import os
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from runward_service.domain.governance_report import FileChange, FileChangeKind
from runward_service.runtime.loaded_code import file_digest, loaded_origins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DISTRIBUTION = "runward"
SERVICE = "runward_service"
SCANNER = "runward_scanner"
PACKAGES = ("runward", "runward_command", SERVICE, SCANNER)
"""The packages of the distribution: what governs, the stubs that it speaks through, what starts it, the scanner that
judges it.
"""
CODE_SUFFIXES = (*importlib.machinery.all_suffixes(), ".sql")
"""What Python would import, and what the store would run."""


class InstallationError(Exception):
    """What is installed cannot be told; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The packages as they lie on disk.

    ``folders`` has each package's folder; ``digests`` every code file's digest by its path relative to the folder that
    holds its package; ``recorded`` the digests of the distribution's RECORD by the same paths, None where it has none
    to compare with, which ``unrecorded`` then explains. ``elsewhere`` are the folders that Python takes packages from
    though the distribution holds them in others.
    """

    folders: Mapping[str, Path]
    digests: Mapping[str, str]
    recorded: Mapping[str, str] | None
    unrecorded: str = ""
    elsewhere: tuple[str, ...] = ()

    def file(self, path: str) -> Path:
        """Where a file lies, by its path in ``digests``."""
        return self.folders[path.partition("/")[0]].parent / path

    def relative(self, origin: Path) -> str | None:
        """A file's path in ``digests``; None for a file outside of the packages."""
        for folder in self.folders.values():
            if origin.is_relative_to(folder):
                return origin.relative_to(folder.parent).as_posix()
        return None

    def changes(self) -> Iterator[FileChange]:
        """Every difference from what was built, and every module of this process from elsewhere."""
        yield from (FileChange(folder, FileChangeKind.ELSEWHERE) for folder in self.elsewhere)
        yield from self._record_changes()
        for name, origin in loaded_origins(PACKAGES):
            path = self.relative(Path(origin).resolve()) if origin else None
            if path is None:
                yield FileChange(origin or name, FileChangeKind.ELSEWHERE)
            elif path not in self.digests:
                yield FileChange(path, FileChangeKind.MISSING)

    def _record_changes(self) -> Iterator[FileChange]:
        if self.recorded is None:
            return
        for path, expected in self.recorded.items():
            try:
                actual = self.digests.get(path) or file_digest(self.file(path))
            except OSError:
                yield FileChange(path, FileChangeKind.MISSING, expected)
                continue
            if actual != expected:
                yield FileChange(path, FileChangeKind.MODIFIED, expected, actual)
        for path in self.digests.keys() - self.recorded.keys():
            yield FileChange(path, FileChangeKind.ADDED, "", self.digests[path])


def read_installation() -> Installation:
    """Find the packages and read every file. Raises InstallationError or OSError."""
    folders = {package: _folder_of(package) for package in PACKAGES}
    digests = {}
    for folder in folders.values():
        for file in _code_files(folder):
            digests[file.relative_to(folder.parent).as_posix()] = file_digest(file)
    built = distribution(DISTRIBUTION)
    if _is_editable(built):
        return Installation(folders, digests, None, "the installation is editable: nothing is recorded of its files")
    recorded = _recorded(built)
    if recorded is None:
        return Installation(folders, digests, None, "the installation has no RECORD to compare its files with")
    elsewhere = (
        str(folder) for package, folder in folders.items() if folder != Path(str(built.locate_file(package))).resolve()
    )
    return Installation(folders, digests, recorded, elsewhere=tuple(elsewhere))


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InstallationError(f"the package {package} is not installed")
    return Path(spec.origin).resolve().parent


def _code_files(folder: Path) -> Iterator[Path]:
    """Every file that could be run, bytecode caches aside: those are compared with their sources."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(parent, name) for name in names if name.endswith(CODE_SUFFIXES))


def _is_editable(built: Distribution) -> bool:
    text = built.read_text("direct_url.json")
    data = json.loads(text) if text else {}
    return bool(data.get("dir_info", {}).get("editable", False))


def _recorded(built: Distribution) -> dict[str, str] | None:
    """The digests in RECORD. Parsed here: newer Pythons' ``files`` leaves out what is missing, which is to be told."""
    text = built.read_text("RECORD")
    if text is None:
        return None
    found = {}
    for path, digest, _ in csv.reader(text.splitlines()):
        algorithm, _, encoded = digest.partition("=")
        if path.partition("/")[0] in PACKAGES and algorithm == "sha256":
            found[path] = f"sha256:{base64.urlsafe_b64decode(encoded + '=' * (-len(encoded) % 4)).hex()}"
    return found or None
