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
SOURCE_SUFFIXES = (*importlib.machinery.SOURCE_SUFFIXES, ".sql")
RECORD, ENTRY_POINTS = "RECORD", ".dist-info/entry_points.txt"
"""Where a distribution tells which files it has, and which code is found by a name."""


class InstallationError(Exception):
    """What is installed cannot be told; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The packages as they lie on disk.

    ``folders`` has each package's folder, and that of the distribution's own files; ``digests`` every code file's
    digest by its path relative to the folder that holds its package, empty for one that cannot be read; ``recorded``
    the digests of the distribution's RECORD by the same paths, None where it has none to compare with, which
    ``unrecorded`` then explains. ``elsewhere`` are the folders that Python takes packages from though the distribution
    holds them in others; ``damaged`` tells that RECORD has lines that are none.
    """

    folders: Mapping[str, Path]
    digests: Mapping[str, str]
    recorded: Mapping[str, str] | None
    unrecorded: str = ""
    elsewhere: tuple[str, ...] = ()
    damaged: bool = False

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
            for path, actual in self.digests.items():
                if not actual:
                    yield FileChange(path, FileChangeKind.MODIFIED)  # it cannot be read
                elif not path.endswith(SOURCE_SUFFIXES):
                    yield FileChange(path, FileChangeKind.ADDED, "", actual)  # nothing compiled is built
            return
        if self.damaged:
            yield FileChange(RECORD, FileChangeKind.MODIFIED)
        for path, expected in self.recorded.items():
            try:
                actual = self.digests[path] if path in self.digests else file_digest(self.file(path))
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
    built = distribution(DISTRIBUTION)
    recorded, damaged = _recorded(built)
    digests = {
        file.relative_to(folder.parent).as_posix(): _digest(file)
        for folder in folders.values()
        for file in _code_files(folder)
    }
    if recorded is None:
        return Installation(folders, digests, None, "the installation has no RECORD to compare its files with")
    if not damaged and _is_editable(built) and all(path.endswith(ENTRY_POINTS) for path in recorded):
        return Installation(folders, digests, None, "the installation is editable: nothing is recorded of its files")
    elsewhere = (
        str(folder) for package, folder in folders.items() if folder != Path(str(built.locate_file(package))).resolve()
    )
    about = {path.partition("/")[0] for path in recorded if path.endswith(ENTRY_POINTS)}
    places = folders | {name: Path(str(built.locate_file(name))) for name in about}
    return Installation(places, digests, recorded, elsewhere=tuple(elsewhere), damaged=damaged)


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


def _digest(file: Path) -> str:
    """A file's digest; empty where it cannot be read, as Python need not to run what it has compiled."""
    try:
        return file_digest(file)
    except OSError:
        return ""


def _is_editable(built: Distribution) -> bool:
    try:
        return json.loads(built.read_text("direct_url.json") or "")["dir_info"]["editable"] is True
    except (ValueError, KeyError, TypeError):
        return False


def _recorded(built: Distribution) -> tuple[dict[str, str] | None, bool]:
    """The digests in RECORD, None where there is none, and whether it has lines that are none.

    Parsed here: newer Pythons' ``files`` leaves out what is missing, which is to be told.
    """
    try:
        text = built.read_text(RECORD)
    except UnicodeDecodeError:
        return {}, True
    if text is None:
        return None, False
    found, damaged = {}, False
    for line in filter(None, text.splitlines()):
        try:
            ((path, digest, _),) = csv.reader([line])
            algorithm, _, encoded = digest.partition("=")
            if algorithm == "sha256" and (path.partition("/")[0] in PACKAGES or path.endswith(ENTRY_POINTS)):
                found[path] = f"sha256:{base64.urlsafe_b64decode(encoded + '=' * (-len(encoded) % 4)).hex()}"
        except (ValueError, csv.Error):
            damaged = True
    return found, damaged
