"""Which of the files that are scanned are governed."""

from __future__ import annotations

import os

from runward_scanner.patterns import Pattern
from runward_scanner.settings import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runward_scanner.settings import Settings

FOREIGN = frozenset(
    {"site-packages", "dist-packages", "node_modules", "vendor", "vendored", "_vendor", "third_party", "thirdparty"}
)
"""Folders that hold other people's packages."""

LAYOUT_FOLDERS = frozenset(
    {"runtime", "execution", "services", "plugins", "domain", "api", "builtin", "store", "watch"}
)
MARKERS = Pattern(rb"(?m)^[ \t]*class[ \t]+(ToolRunner|(?:Plugin|Job|Analysis)ExecutionService|PluginState)\b")


def is_foreign(path: str, base: str) -> bool:
    """Whether a file lies in a folder that holds other people's packages."""
    parts = path.split(os.sep)
    if not FOREIGN.isdisjoint(parts[:-1]):
        return True
    return any(map(_is_of_python, parts)) and not lies_in(path, os.path.join(base, "service"))


def is_foreign_below(path: str, root: str) -> bool:
    """The same of a file in a governed root, by the folders below that."""
    below = path[len(root) :]
    parts = below.split(os.sep)
    return not FOREIGN.isdisjoint(parts[:-1]) or ("python3." in below and any(map(_is_of_python, parts)))


def _is_of_python(part: str) -> bool:
    """Whether a folder is named for a version of Python, as the one around ``site-packages`` is."""
    return part.startswith("python3.") and part[8:].isdecimal()


def lies_in(path: str, folder: str) -> bool:
    """Whether a file is a folder's, or is the one meant itself."""
    around = folder.rstrip(os.sep)
    return path.startswith(around) and path[len(around) : len(around) + 1] in {"", os.sep}


def governed_roots(settings: Settings, scanned: str, files: Mapping[str, bytes]) -> list[str]:
    """The folders whose files are all governed: those configured, else those that the layout shows.

    Raises SettingsError where an exclusion reaches into a configured root.
    """
    configured = [os.path.realpath(os.path.join(settings.base, root)) for root in settings.roots]
    for root in configured:
        if lies_in(root, settings.base) and _is_like(_below(root, settings.base), settings.exclude):
            raise SettingsError(f"exclude covers the governed root {root}")
    present = [root for root in configured if os.path.exists(root)]
    if settings.explicit or any(_overlap(root, scanned) for root in present):
        return present or configured
    sdk = f"{os.sep}{settings.sdk_package}{os.sep}"
    named = {folder for file in files if sdk in file for folder in _folders(file) if f"{folder}{os.sep}".endswith(sdk)}
    return sorted(named or _discovered(settings, scanned, files), key=lambda folder: folder.split(os.sep))


def _folders(file: str) -> Iterator[str]:
    """The folders that a file lies in, the innermost first."""
    folder = os.path.dirname(file)
    while folder != file:
        yield folder
        folder, file = os.path.dirname(folder), folder


def _overlap(root: str, scanned: str) -> bool:
    return lies_in(root, scanned) or lies_in(scanned, root)


def _discovered(settings: Settings, scanned: str, files: Mapping[str, bytes]) -> set[str]:
    """The packages that define what governs: ToolRunner, the execution services, the plugin states."""
    marked: dict[str, set[bytes]] = {}
    for file, data in files.items():
        if b"class" in data and not is_foreign(file, scanned) and (found := set(MARKERS.findall(data))):
            marked[file] = found
    convincing = {
        file
        for file, found in marked.items()
        if len(found) > 1 or b"plugin" in files[file].lower() or os.path.basename(file) in settings.tool_runner_files
    }
    return {_top(file, scanned, files) for file in convincing}


def _top(file: str, scanned: str, files: Mapping[str, bytes]) -> str:
    """The outermost package around a file, past folders that are the layout's own, within the path scanned."""
    folder = os.path.dirname(file)
    while folder != scanned and lies_in(folder, scanned):
        above, name = os.path.split(folder)
        is_package = os.path.join(folder, "__init__.py") in files
        if not is_package and name not in LAYOUT_FOLDERS:
            break
        if is_package and os.path.join(above, "__init__.py") not in files and name not in LAYOUT_FOLDERS:
            break
        folder = above
    return folder


def excluded(settings: Settings, file: str, roots: Iterable[str]) -> bool:
    """Whether the settings leave a file out; a file in a governed root never is."""
    if not settings.exclude or not lies_in(file, settings.base):
        return False
    if any(lies_in(file, root) for root in roots):
        return False
    patterns = [*settings.exclude, *(f"{pattern.rstrip('/')}/*" for pattern in settings.exclude)]
    return _is_like(_below(file, settings.base), patterns)


def _below(path: str, folder: str) -> str:
    """The name of a file by the folders below one, as patterns write it."""
    return path[len(folder.rstrip(os.sep)) + 1 :].replace(os.sep, "/") or os.curdir


def _is_like(name: str, patterns: Iterable[str]) -> bool:
    """Whether a file's name matches one of some patterns."""
    for pattern in patterns:
        start = min((pattern.find(letter) for letter in "*?[" if letter in pattern), default=len(pattern))
        if os.path.normcase(name).startswith(os.path.normcase(pattern[:start])):
            from fnmatch import fnmatch  # noqa: PLC0415 - loads regular expressions, which many scans can do without

            if fnmatch(name, pattern):
                return True
    return False
