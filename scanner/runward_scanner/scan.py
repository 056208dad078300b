"""One scan: which files, which are governed, what the rules find."""

from __future__ import annotations

import os

from runward_scanner.finding import Finding, Place
from runward_scanner.layout import excluded, governed_roots
from runward_scanner.project import Project
from runward_scanner.search import Search, plain
from runward_scanner.settings import Settings, load_settings
from runward_scanner.source import Source, UnreadableError, read
from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from runward_scanner.kept import Kept


class NothingToScanError(Exception):
    """The path holds no Python file, or does not exist."""


class Report(NamedTuple):
    """What a scan found: findings in order, how many files there are and are governed, the lines that findings name."""

    findings: tuple[Finding, ...]
    files: int
    governed: int
    lines: Mapping[tuple[str, int], str] = {}


def scan(
    path: str | Path,
    settings: Settings | None = None,
    cache: Path | None = None,
    *,
    compiled: bool = False,
    compiled_in: Sequence[Path] = (),
    is_last: bool = False,
) -> Report:
    """Scan a file or a folder; ``cache`` is a folder of reports, ``compiled`` has compiled files compared with their
    sources too, those in further folders with ``compiled_in``, ``is_last`` says that the process ends after it: nothing
    is let go of then, which takes a while.
    Raises NothingToScanError and SettingsError.
    """
    path = plain(path)
    try:
        os.stat(path)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        raise NothingToScanError(f"{path} does not exist" if gone else f"{path}: {error.strerror}") from error
    settings = load_settings(path) if settings is None else settings._replace(base=os.fspath(settings.base))
    sources, unreadable = _read(path, settings)
    resolved = os.path.realpath(path)
    scanned = resolved if os.path.isdir(resolved) else os.path.dirname(resolved)
    roots = governed_roots(settings, scanned, {file: source.data for file, source in sources.items()})
    sources = {file: source for file, source in sources.items() if not excluded(settings, file, roots)}
    problems = [problem for file, problem in unreadable.items() if not excluded(settings, file, roots)]
    if not sources and not problems:
        raise NothingToScanError(f"{path} holds no Python file to scan")
    count = len(sources) + len(problems)
    project = Project(settings, scanned, sources, roots)
    project.is_last = is_last
    kept = _analysed(project) if cache is None else _cached(cache, resolved, project)
    if compiled:
        from runward_scanner.compiled import foreign_bytecode  # noqa: PLC0415 - what is not asked for is not loaded

        problems.extend(foreign_bytecode(sources.values()))
        for folder in compiled_in:
            beside, unread = _read(folder, settings)
            problems += [*unread.values(), *foreign_bytecode(beside.values())]
    findings = tuple(sorted(_unique([*problems, *kept.findings])))
    return Report(findings, count, kept.governed, _named_lines(findings, sources.values()))


def _cached(folder: Path, resolved: str, project: Project) -> Kept:
    """The report from the cache where nothing changed; else one that is brought up to date or made anew, and kept."""
    from runward_scanner.cache import Cache, key_of  # noqa: PLC0415 - as above

    store = Cache(folder, resolved)
    key = key_of(project.settings, project.roots, project.sources.values())
    kept = store.read(key)
    if kept is not None and not kept.changed:
        return kept
    from runward_scanner.analysis import analyse, refreshed  # noqa: PLC0415 - where nothing changed, nothing is read

    found = (refreshed(project, kept, store) if kept is not None else None) or analyse(project, kept)
    store.write(key, found, project.sources.values())
    return found


def _analysed(project: Project) -> Kept:
    from runward_scanner.analysis import analyse  # noqa: PLC0415 - as above

    return analyse(project)


def _read(path: str | Path, settings: Settings) -> tuple[dict[str, Source], dict[str, Finding]]:
    """Read every Python file at or below a path, by the place where it lies; a finding for each that cannot be read."""
    sources: dict[str, Source] = {}
    unreadable: dict[str, Finding] = {}
    for shown, place, problem in Search(path, settings).entries():
        try:
            if problem:
                raise UnreadableError(problem)
            sources[place] = read(shown)
        except UnreadableError as error:
            message = f"The file cannot be checked: {error.reason}"
            unreadable[place] = Finding(Place(shown, 1), "RWD000", message)
    return sources, unreadable


def _named_lines(findings: Iterable[Finding], sources: Iterable[Source]) -> dict[tuple[str, int], str]:
    """The text of the lines that findings stand in."""
    wanted = {(finding.place.path, finding.place.line) for finding in findings}
    shown = {source.shown: source for source in sources}
    found = {}
    for path, line in wanted:
        lines = shown[path].lines if path in shown else []
        if 0 < line <= len(lines):
            found[path, line] = lines[line - 1]
    return found


def _unique(findings: list[Finding]) -> list[Finding]:
    """One finding a rule and place: the one with the longest proof, and of those the one that says most."""
    best: dict[tuple[str, Place], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.place)
        old = best.get(key)
        if old is None or _weight(finding) > _weight(old):
            best[key] = finding
    return list(best.values())


def _weight(finding: Finding) -> tuple[int, int, Finding]:
    return len(finding.steps), len(finding.message), finding
