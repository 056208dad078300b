"""Compiled files: Python runs them in place of their sources, so each must be what its source compiles to."""

from __future__ import annotations

import importlib.util
import marshal
import os
import warnings
from pathlib import Path

from runward_scanner.finding import Finding, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runward_scanner.source import Source

HEADER_BYTES = 16
UNCHECKED, CHECKED = 0b01, 0b11


def foreign_bytecode(sources: Iterable[Source]) -> Iterator[Finding]:
    """A finding for each source whose compiled file Python would run although it is not compiled from it.

    Looked at is the compiled file of the Python that scans. One whose header is not of its source does not matter:
    Python compiles that anew.
    """
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(source.shown))
        try:
            data = compiled.read_bytes()
            used = _is_used(source, data)
        except OSError:
            continue  # there is none, or Python cannot read it either
        if used and not _is_of(source, data):
            message = "The file cannot be checked: its compiled form, which Python runs in its place, is not its own"
            yield Finding(Place(source.shown, 1), "RWD000", message)


def _is_used(source: Source, data: bytes) -> bool:
    """Whether Python takes a compiled file for its source, by the file's header (PEP 552)."""
    if data[:4] != importlib.util.MAGIC_NUMBER or len(data) < HEADER_BYTES:
        return False
    flags = int.from_bytes(data[4:8], "little")
    if flags == UNCHECKED:
        return True
    if flags == CHECKED:
        return data[8:16] == importlib.util.source_hash(source.data)
    status = os.stat(source.shown)
    found = (int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:16], "little"))
    return flags == 0 and found == (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)


def _is_of(source: Source, data: bytes) -> bool:
    """Whether the code in a compiled file is that of a source. The code is read and compared; none of it is run."""
    try:
        found = marshal.loads(data[HEADER_BYTES:])  # noqa: S302 - as Python does before it runs it
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(found == compile(source.data, source.shown, "exec", dont_inherit=True))
    except (SyntaxError, ValueError, EOFError, TypeError, MemoryError, RecursionError):
        return False
