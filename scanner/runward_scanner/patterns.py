"""Module patterns, as settings use them."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def whole(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    """A test whether a whole word matches a pattern, which remembers the words: code has few, each many times."""
    return functools.lru_cache(maxsize=8192)(lambda word: pattern.fullmatch(word) is not None)


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    end = "$" if pattern.endswith("$") else r"(?:\.|$)"
    body = re.escape(pattern.removesuffix("$")).replace(r"\*", "[^.]*")
    return re.compile(rf"(?:^|\.){body}{end}")


@functools.lru_cache(maxsize=8192)
def matches(patterns: tuple[str, ...], module: str) -> bool:
    """Whether a dotted module name, or a package above it, matches one of the patterns."""
    return any(pattern == "*" or _compiled(pattern).search(module) for pattern in patterns)


@functools.lru_cache(maxsize=8192)
def ends_with(patterns: tuple[str, ...], module: str) -> bool:
    """Whether a dotted module name itself, not a package above it, matches one of the patterns."""
    return any(match.end() == len(module) for item in patterns for match in _compiled(item).finditer(module))
