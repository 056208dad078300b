"""Statements for many rows at once. Each call of SQLite gives Python's lock up and takes it back several times, which
under load costs more than the statement itself.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK_SIZES = (64, 48, 32, 24, 16, 12, 8, 6, 5, 4, 3, 2, 1)
"""Few enough that all prepared statements stay at hand, close enough that most batches need one or two of them."""


def by_chunk(file: str, name: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, Sequence[Any], int]]:
    """A statement of a file under ``sql/`` for all rows, in as few pieces as CHUNK_SIZES allow: each piece's SQL, its
    parameters, how many rows it has. The statement says ``{rows}`` where the rows' values come.
    """
    if len(rows) == 1:
        yield _statement(file, name, 1, len(rows[0])), rows[0], 1
        return
    start = 0
    sizes = iter(CHUNK_SIZES)
    size = next(sizes)
    while start < len(rows):
        while size > len(rows) - start:
            size = next(sizes)
        chunk = rows[start : start + size]
        yield _statement(file, name, size, len(chunk[0])), [value for row in chunk for value in row], size
        start += size


@cache
def _statement(file: str, name: str, rows: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return statements(file)[name].replace("{rows}", ", ".join([row] * rows))
