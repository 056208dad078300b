"""What is found in a project: read anew, or kept where no change can have affected it."""

from __future__ import annotations

import ast
import gc
from contextlib import contextmanager

from runward_scanner.finding import finding_from_json
from runward_scanner.kept import Kept, reading_json
from runward_scanner.layout import is_foreign
from runward_scanner.reading import Reading, readings
from runward_scanner.rules.rwd000 import suppressions, unparsable, unparsed
from runward_scanner.source import Source, UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from runward_scanner.cache import Cache
    from runward_scanner.project import Project


def analyse(project: Project, kept: Kept | None = None) -> Kept:
    """Read what is governed and ask the rules, but for the readings of an earlier report that are still good."""
    with _without_collection(project.is_last):
        found = _read_with_room(project, _still_good(kept) if kept is not None else {})
        by_name = {source.shown: path for path, source in project.sources.items()}
        read = {by_name[name] for reading in found for name in reading.reached}
        findings = [finding for reading in found for finding in reading.findings]
        findings.extend(unparsable(project, read))
        project.release()
        return Kept(findings, sum(len(reading.files) for reading in found), [reading_json(item) for item in found])


def refreshed(project: Project, kept: Kept, store: Cache) -> Kept | None:
    """An earlier report where no change can have affected a reading; None where one may have.

    Files that changed and that no reading knows are looked at again: they have to parse, and must not be governed now.
    """
    read = kept.read
    findings = [finding for finding in kept.findings if finding.place.path not in kept.changed]
    named = _named(kept)
    for path, source in project.sources.items():
        name = source.shown
        if name not in kept.changed:
            continue
        if name in read or project.may_govern(path):
            before = store.text(name, kept.digests[name]) if name in read and name not in named else None
            if before is None or not _reads_the_same(project, before, source):
                return None
        elif not is_foreign(path, project.scanned):
            findings.extend(unparsed(source))
    return Kept(findings, kept.governed, kept.readings)


def _still_good(kept: Kept) -> Mapping[frozenset[str], Reading]:
    """The readings of a report that know no file which changed, by their files."""
    good = [item for item in kept.readings if kept.changed.isdisjoint((*item["files"], *item["reached"]))]
    return {reading.files: reading for reading in map(_reading, good)}


def _reading(data: Mapping[str, Any]) -> Reading:
    files, reached, told, asked = (frozenset(data[name]) for name in ("files", "reached", "told", "asked"))
    return Reading(files, reached, told, asked, tuple(finding_from_json(item) for item in data["findings"]))


def _named(kept: Kept) -> frozenset[str]:
    """The files that findings and their proofs stand in, which must point to the right lines."""
    places = [place for finding in kept.findings for place in (finding.place, *(step.place for step in finding.steps))]
    return frozenset(place.path for place in places)


def _reads_the_same(project: Project, before: str, source: Source) -> bool:
    """Whether no reading can tell a file from what it was before: comments and line ends alone differ.

    A ToolRunner's file is always read anew, for rules look for words in its text; so is one with names that are not
    ASCII, which are written in several ways.
    """
    try:
        if project.settings.tool_runner_class in source.text or any(suppressions(source)):
            return False
        shape = ast.dump(source.parse())
        return shape.isascii() and shape == ast.dump(Source(source.shown, before.encode()).parse())
    except (UnreadableError, RecursionError, UnicodeEncodeError):
        return False


ROOM = 1 << 16
"""How much of Python's own stack, in references, what is read takes at most but in rare cases."""


def _read_with_room(project: Project, known: Mapping[frozenset[str], Reading]) -> list[Reading]:
    """Read with room for all calls within one piece of Python's stack.

    CPython takes that stack from the system in small pieces, and gives one back as soon as the last call on it ends: a
    recursion that goes up and down across such a border, as reading does, would have pages mapped and unmapped some
    thousand times. A function whose own frame is large gets a piece that is twice as large.
    """
    return readings(project, known)


_read_with_room.__code__ = _read_with_room.__code__.replace(co_stacksize=ROOM)

MOST_PARSED = 1 << 24
"""Giving back so much at once, in bytes, has the C library keep what is freed from then on, as parsing does for each
file, rather than hand it to the system and ask for it again, page by page."""


@contextmanager
def _without_collection(for_good: bool) -> Iterator[None]:
    """Leave the cyclic collector off for a while: trees and values live until the end, and it would only walk them."""
    bytes(MOST_PARSED)
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not for_good:
            gc.enable()
