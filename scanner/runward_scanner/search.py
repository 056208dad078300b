"""The search for Python files at and below a path."""

from __future__ import annotations

import os

from runward_scanner.layout import lies_in
from runward_scanner.patterns import Pattern
from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runward_scanner.settings import Settings

SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".tox", ".nox"}
)
ENVIRONMENT = "pyvenv.cfg"
PROGRAMS = ("bin", "Scripts")
SHEBANG = Pattern(rb"#![^\n]*\bpython[0-9.]*\b")


class Entry(NamedTuple):
    """One file: the path to show, where it lies once links to folders are followed, and why it cannot be read, if it
    is known not to be.
    """

    shown: str
    place: str
    problem: str = ""


class Search:
    """All files that Python could run: ``.py``, ``.pyw``, scripts that name Python in line 1.

    A tool's own folder and a virtual environment are passed over, unless governed code lies in it or around it, where
    neither belongs. Folders that links lead to come last, so that what lies in the tree itself is found there; what
    leads back up, to a folder around the path given, is not followed.
    """

    def __init__(self, path: str | Path, settings: Settings) -> None:
        """Search from a folder on; a path to anything else is the one file, whatever its name."""
        self._path = plain(path)
        self._top = os.path.realpath(path)
        self._roots = [os.path.realpath(os.path.join(settings.base, root)) for root in settings.roots]
        self._sdk = settings.sdk_package

    def entries(self) -> Iterator[Entry]:
        """Every file in order; a folder that cannot be listed is one that cannot be read."""
        if not os.path.isdir(self._path):
            yield Entry(self._path, self._top)
            return
        pending, linked = [self._path], list[str]()
        seen: set[str] = set()
        while pending or linked:
            folder = pending.pop() if pending else linked.pop(0)
            real = os.path.realpath(folder)
            if real in seen:
                continue
            seen.add(real)
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                yield Entry(folder, real, f"it cannot be listed: {error.strerror}")
                continue
            start = os.path.join(folder, "") if folder != os.curdir else ""
            within = os.path.join(real, "")
            inside = self._is_governed(real)
            folders = [entry for entry in entries if _is_folder(entry) and (inside or self._is_searched(entry))]
            pending += [f"{start}{entry.name}" for entry in reversed(folders) if not entry.is_symlink()]
            linked += [
                f"{start}{entry.name}" for entry in folders if entry.is_symlink() and not self._is_around(entry.path)
            ]
            for entry in entries:
                if _is_python(entry):
                    yield Entry(f"{start}{entry.name}", f"{within}{entry.name}", _problem(entry))

    def _is_governed(self, real: str) -> bool:
        """Whether a folder lies in a governed root, or in one named as the SDK's package."""
        named = f"{os.sep}{self._sdk}{os.sep}" in f"{real}{os.sep}"
        return named or any(lies_in(real, root) for root in self._roots)

    def _is_searched(self, entry: os.DirEntry[str]) -> bool:
        """Whether a folder outside of what is governed is searched."""
        if entry.name not in SKIPPED and not _is_environment(entry.path):
            return True
        real = os.path.realpath(entry.path)
        return self._is_governed(real) or any(lies_in(root, real) and os.path.exists(root) for root in self._roots)

    def _is_around(self, link: str) -> bool:
        return lies_in(self._top, os.path.realpath(link))


def plain(path: str | Path) -> str:
    """A path as ``pathlib`` writes it: without what names the same folder, such as ``.`` or a second slash."""
    text = os.fspath(path)
    if os.sep != "/" or text.startswith("//"):
        from pathlib import Path  # noqa: PLC0415 - takes long to load, and what else it knows of is rare

        return str(Path(text))
    start = os.sep if text.startswith(os.sep) else ""
    return start + os.sep.join(part for part in text.split(os.sep) if part not in {"", os.curdir}) or os.curdir


def _is_environment(folder: str) -> bool:
    """Whether a folder is a virtual environment: it has the file that makes it one, and programs."""
    if not os.path.exists(f"{folder}{os.sep}{ENVIRONMENT}"):
        return False
    return any(os.path.isdir(f"{folder}{os.sep}{name}") for name in PROGRAMS)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_python(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a Python file; whatever has such a name and is no folder is one."""
    if entry.name.endswith((".py", ".pyw")):
        return not _is_folder(entry)
    try:
        if "." in entry.name or not entry.is_file():
            return False
        with open(entry.path, "rb") as file:
            return SHEBANG.match(file.read(128)) is not None
    except OSError:
        return False


def _problem(entry: os.DirEntry[str]) -> str:
    """Why what is named as a Python file is none; empty where it is one. To read a pipe would wait for ever."""
    try:
        if entry.is_file():
            return ""
        os.stat(entry.path)  # for its error
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return "it cannot be read: it is no regular file"
