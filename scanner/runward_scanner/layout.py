"""Which of the files that are scanned are governed."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch

from runward_scanner.patterns import Pattern
from runward_scanner.settings import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from runward_scanner.settings import Settings

FOREIGN = frozenset(
    {"site-packages", "dist-packages", "node_modules", "vendor", "vendored", "_vendor", "third_party", "thirdparty"}
)
"""Folders that hold other people's packages."""

LAYOUT_FOLDERS = frozenset(
    {"runtime", "execution", "services", "plugins", "domain", "api", "builtin", "store", "watch"}
)
MARKERS = Pattern(
    rb"^[ \t]*class[ \t]+(ToolRunner|(?:Plugin|Job|Analysis)ExecutionService|PluginState)\b",
    re.MULTILINE,
)


def is_foreign(path: Path, base: Path) -> bool:
    """Whether a file lies in a folder that holds other people's packages."""
    parts = path.parts
    if not FOREIGN.isdisjoint(parts[:-1]):
        return True
    return any(map(_is_of_python, parts)) and not lies_in(path, base / "service")


def is_foreign_below(path: Path, root: Path) -> bool:
    """The same of a file in a governed root, by the folders below that."""
    below = str(path)[len(str(root)) :]
    parts = below.split(os.sep)  # noqa: PTH206 - quicker than paths take themselves apart
    return not FOREIGN.isdisjoint(parts[:-1]) or ("python3." in below and any(map(_is_of_python, parts)))


def _is_of_python(part: str) -> bool:
    """Whether a folder is named for a version of Python, as the one around ``site-packages`` is."""
    return part.startswith("python3.") and part[8:].isdecimal()


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a file is a folder's, or is the one meant itself; quicker than paths say it themselves."""
    name, around = str(path), str(folder).rstrip(os.sep)
    return name.startswith(around) and name[len(around) : len(around) + 1] in {"", os.sep}


def governed_roots(settings: Settings, scanned: Path, files: Mapping[Path, bytes]) -> list[Path]:
    """The folders whose files are all governed: those configured, else those that the layout shows.

    Raises SettingsError where an exclusion reaches into a configured root.
    """
    configured = [(settings.base / root).resolve() for root in settings.roots]
    for root in configured:
        if any(
            fnmatch(root.relative_to(settings.base).as_posix(), pattern)
            for pattern in settings.exclude
            if root.is_relative_to(settings.base)
        ):
            raise SettingsError(f"exclude covers the governed root {root}")
    present = [root for root in configured if root.exists()]
    if settings.explicit or any(_overlap(root, scanned) for root in present):
        return present or configured
    named = {folder for file in files for folder in file.parents if folder.name == settings.sdk_package}
    if named:
        return sorted(named)
    return sorted(_discovered(settings, scanned, files))


def _overlap(root: Path, scanned: Path) -> bool:
    return root.is_relative_to(scanned) or scanned.is_relative_to(root)


def _discovered(settings: Settings, scanned: Path, files: Mapping[Path, bytes]) -> set[Path]:
    """The packages that define what governs: ToolRunner, the execution services, the plugin states."""
    marked: dict[Path, set[bytes]] = {}
    for file, data in files.items():
        if b"class" in data and not is_foreign(file, scanned) and (found := set(MARKERS.findall(data))):
            marked[file] = found
    convincing = {
        file
        for file, found in marked.items()
        if len(found) > 1 or b"plugin" in files[file].lower() or file.name in settings.tool_runner_files
    }
    return {_top(file, scanned, files) for file in convincing}


def _top(file: Path, scanned: Path, files: Mapping[Path, bytes]) -> Path:
    """The outermost package around a file, past folders that are the layout's own, within the path scanned."""
    folder = file.parent
    while folder != scanned and folder.is_relative_to(scanned):
        is_package = folder / "__init__.py" in files
        if not is_package and folder.name not in LAYOUT_FOLDERS:
            break
        if is_package and folder.parent / "__init__.py" not in files and folder.name not in LAYOUT_FOLDERS:
            break
        folder = folder.parent
    return folder


def excluded(settings: Settings, file: Path, roots: Iterable[Path]) -> bool:
    """Whether the settings leave a file out; a file in a governed root never is."""
    if not settings.exclude or not lies_in(file, settings.base):
        return False
    if any(lies_in(file, root) for root in roots):
        return False
    name = file.relative_to(settings.base).as_posix()
    return any(fnmatch(name, pattern) or fnmatch(name, pattern.rstrip("/") + "/*") for pattern in settings.exclude)
