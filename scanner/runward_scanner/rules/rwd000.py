"""RWD000: every governed file can be checked, and nothing asks not to be."""

from __future__ import annotations

import io

from runward_scanner.finding import Finding, Place
from runward_scanner.layout import is_foreign
from runward_scanner.patterns import Pattern
from runward_scanner.rule import Rule
from runward_scanner.source import UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from runward_scanner.inference.engine import Engine
    from runward_scanner.project import Project
    from runward_scanner.source import Source

WORDS = r"(?:ignore|disable|skip|suppress|off|allow|exempt|noqa|nolint|no[-_ ]?scan|ok|silence|exclude|waive)"
HINTS = (
    "allow", "cover", "disable", "exclude", "exempt", "ignore", "lint", "noqa", "off", "ok", "scan", "sec", "silence",
    "skip", "suppress", "waive",
)  # fmt: skip
"""What the words contain of which one has to stand in such a comment."""
SUPPRESSION = Pattern(
    rf"(?i)(?:no(?:qa|sec|lint|scan|cover)|type:\s*ignore|{WORDS})\b[^#]*\bRWD[-_]?\d*"
    rf"|\bRWD[-_]?\d*\b\s*[:=\[(,-]*\s*{WORDS}\b"
    rf"|\brunward(?:[-_ ]?scanner|[-_ ]?scan)?\s*[:=-]+\s*{WORDS}\b"
    rf"|\brunward(?:[-_ ]?scanner|[-_ ]?scan)?[-_ ]{WORDS}\b"
    rf"|{WORDS}\s*[:=\[(]\s*runward"
)


class Checkable(Rule):
    """A governed file can be read and parsed, and holds no comment that asks the scanner to look away."""

    code = "RWD000"
    title = "A file cannot be checked, or asks not to be"
    explanation = """
A file that cannot be read, decoded or parsed may hold anything, so it is a violation itself. So is a comment
that asks the scanner to look away (`noqa: RWD001`, `runward: ignore` and the like): there is no ignore comment.
Remove the cause.
"""

    def finish(self, engine: Engine) -> Iterator[Finding]:
        """Give every attempt to suppress a finding; what cannot be parsed is no part of what was read."""
        for module in engine.governed:
            yield from suppressions(module.source)


def suppressions(source: Source) -> Iterator[Finding]:
    """Give every comment of a file that asks the scanner to look away."""
    if not any(map(_suppresses, _comments(source.text))):
        return
    import tokenize  # noqa: PLC0415 - hardly any file has such a comment

    try:
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
            if token.type == tokenize.COMMENT and _suppresses(token.string):
                place = Place(source.shown, token.start[0], token.start[1], token.end[1])
                message = "There is no ignore comment: a finding is removed by removing its cause"
                yield Finding(place, Checkable.code, message)
    except (tokenize.TokenError, SyntaxError):
        return


def _comments(text: str) -> Iterator[str]:
    """The comments, and ends of lines that look like one, that have the scanner's name or a rule's in them."""
    start = text.find("#")
    while start >= 0:
        end = text.find("\n", start)
        comment = text[start : end if end >= 0 else len(text)]
        low = comment.lower()
        if "rwd" in low or "runward" in low:
            yield comment
        start = text.find("#", start + len(comment))


def _suppresses(comment: str) -> bool:
    """Whether a comment, or a line's end that looks like one, asks the scanner to look away."""
    low = comment.lower()
    return any(word in low for word in HINTS) and SUPPRESSION.search(comment) is not None


def unparsable(project: Project, read: Collection[str]) -> Iterator[Finding]:
    """Give the files that do not parse: those read, and every other but other people's."""
    parsed = project.parsed
    for path, source in project.sources.items():
        if path in project.unreadable:
            yield _problem(source, project.unreadable[path])
        elif path not in parsed and (path in read or not is_foreign(path, project.scanned)):
            yield from unparsed(source)


def unparsed(source: Source) -> Iterator[Finding]:
    """Parse a file that nothing else asked for, for one that does not parse may hold anything."""
    try:
        source.parse()
    except UnreadableError as error:
        yield _problem(source, error)


def _problem(source: Source, error: UnreadableError) -> Finding:
    return Finding(Place(source.shown, error.line), Checkable.code, f"The file cannot be checked: {error.reason}")
