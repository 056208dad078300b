"""Patterns: regular expressions for words, and module patterns as settings use them."""

from __future__ import annotations

import functools
import itertools

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator
    from typing import Any


class Pattern:
    """A regular expression that is compiled when it is first asked, for most files ask few of all."""

    fullmatch: Callable[[Any], re.Match[Any] | None]
    match: Callable[[Any], re.Match[Any] | None]
    search: Callable[[Any], re.Match[Any] | None]
    findall: Callable[[Any], list[Any]]

    def __init__(self, text: str | bytes, flags: int = 0) -> None:
        """Take what it is written as."""
        self._written = text, flags

    def __getattr__(self, name: str) -> Any:
        """Compile it; from then on its methods are those of what was compiled."""
        import re  # noqa: PLC0415 - many scans ask no pattern

        compiled: re.Pattern[Any] = re.compile(*self._written)
        self.fullmatch, self.match = compiled.fullmatch, compiled.match
        self.search, self.findall = compiled.search, compiled.findall
        return getattr(compiled, name)


def ending(*words: str) -> Callable[[str], bool]:
    """A test whether a name is one of these words or ends with one after an underscore; nothing has to be compiled."""
    ends = tuple(f"_{word}" for word in words)
    return functools.lru_cache(maxsize=8192)(lambda name: f"_{name}".endswith(ends) and name.isidentifier())


def beginning(*parts: tuple[str, ...]) -> Callable[[str], bool]:
    """A test whether a name begins with one of each of these parts in turn, leading underscores aside; as above."""
    starts = tuple(map("".join, itertools.product(*parts)))
    return functools.lru_cache(maxsize=8192)(lambda name: name.lstrip("_").startswith(starts) and name.isidentifier())


def whole(pattern: Pattern) -> Callable[[str], bool]:
    """A test whether a whole word matches a pattern, which remembers the words: code has few, each many times."""
    return functools.lru_cache(maxsize=8192)(lambda word: pattern.fullmatch(word) is not None)


@functools.lru_cache(maxsize=8192)
def matches(patterns: tuple[str, ...], module: str) -> bool:
    """Whether a dotted module name, or a package above it, matches one of the patterns."""
    return any_matches(patterns, module.split("."))


def any_matches(patterns: tuple[str, ...], names: list[str]) -> bool:
    """The same for the components of a module's name."""
    words, others = _split(patterns)
    if not words.isdisjoint(names):
        return True
    for first, pattern in others:
        if (first in names or "*" in first) and (pattern == "*" or any(_ends(pattern, names))):
            return True
    return False


@functools.lru_cache(maxsize=8192)
def ends_with(patterns: tuple[str, ...], module: str) -> bool:
    """Whether a dotted module name itself, not a package above it, matches one of the patterns."""
    lasts = _lasts(patterns)
    if lasts is not None and module.rpartition(".")[2] not in lasts:
        return False
    names = module.split(".")
    return any(end == len(names) for pattern in patterns for end in _ends(pattern, names))


ELSEWHERE = frozenset({"api", "domain", "servicers", "store", "watch"})
"""Folders in which no module is what its own name alone would make it: the loader, a worker, the composition root."""


@functools.lru_cache(maxsize=8192)
def stands(patterns: tuple[str, ...], module: str) -> bool:
    """Whether a module is one that a setting names, by a dotted pattern or in a folder where such a module may be."""
    around = module.split(".")[:-1]
    if ELSEWHERE.isdisjoint(around):
        return matches(patterns, module)
    return matches(tuple(pattern for pattern in patterns if "." in pattern), module)


@functools.lru_cache(maxsize=8192)
def _lasts(patterns: tuple[str, ...]) -> frozenset[str] | None:
    """The last components of patterns, one of which a name has to end with; None where any letters may stand there."""
    lasts = frozenset(pattern.rpartition(".")[2].removesuffix("$") for pattern in patterns)
    return None if any("*" in last for last in lasts) else lasts


@functools.lru_cache(maxsize=8192)
def _split(patterns: tuple[str, ...]) -> tuple[frozenset[str], list[tuple[str, str]]]:
    """The patterns that are one whole component, wherever it may stand, and the others, after their first ones."""
    words = frozenset(pattern for pattern in patterns if not any(sign in pattern for sign in ".*$"))
    others = [pattern for pattern in patterns if pattern not in words]
    return words, [(pattern.partition(".")[0].removesuffix("$"), pattern) for pattern in others]


def _ends(pattern: str, names: list[str]) -> Iterator[int]:
    """After how many of the names the pattern ends, wherever it may begin; with ``$`` after all of them alone."""
    parts = pattern.removesuffix("$").split(".")
    anchored = pattern[-1:] == "$"
    if len(parts) == 1 and "*" not in parts[0]:  # as most are
        word = parts[0]
        for end, name in enumerate(names, 1):
            if name == word and (not anchored or end == len(names)):
                yield end
        return
    for start in range(len(names) - len(parts) + 1):
        end = start + len(parts)
        if (end == len(names) or not anchored) and all(map(_is_like, parts, names[start:end])):
            yield end


def _is_like(part: str, name: str) -> bool:
    """Whether a component matches its part of a pattern; ``*`` stands for any letters."""
    if "*" not in part:
        return part == name
    head, *inner, tail = part.split("*")
    if not (name.startswith(head) and name.endswith(tail) and len(name) >= len(head) + len(tail)):
        return False
    rest = name[len(head) : len(name) - len(tail)]
    for piece in inner:
        _, found, rest = rest.partition(piece) if piece else ("", "*", rest)
        if not found:
            return False
    return True
