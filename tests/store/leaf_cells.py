"""The cells in the leaf pages of a table's b-tree, read from a database's pages as SQLite's file format tells."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

INTERIOR, LEAF = 5, 13
HEADER = struct.Struct(">BHHHB")


@dataclass(frozen=True, slots=True)
class LeafCell:
    """One row: its number, how many bytes of its record lie in the leaf page, and where in the record each of its
    values begins (the last entry is the record's length).
    """

    seq: int
    local_bytes: int
    starts: tuple[int, ...]


def leaf_cells(connection: sqlite3.Connection, table: str) -> Iterator[LeafCell]:
    """A table's rows in order."""
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    content = memoryview(connection.serialize())
    size, usable = page_sizes(content)
    pages = [root]
    while pages:
        page = content[(pages.pop() - 1) * size :][:size]
        kind, _, count, _, _ = HEADER.unpack_from(page)
        if kind == LEAF:
            for place in struct.unpack_from(f">{count}H", page, 8):
                yield leaf_cell(page, place, usable)
        else:
            assert kind == INTERIOR
            children = [
                struct.unpack_from(">I", page, place)[0] for place in struct.unpack_from(f">{count}H", page, 12)
            ]
            pages += [struct.unpack_from(">I", page, 8)[0], *reversed(children)]


def page_sizes(content: memoryview) -> tuple[int, int]:
    """The size of a database's pages, and how much of each is used."""
    size = struct.unpack_from(">H", content, 16)[0]
    return (65536 if size == 1 else size), (65536 if size == 1 else size) - content[20]


def leaf_cell(page: memoryview, place: int, usable: int) -> LeafCell:
    """The cell that begins at a place of a leaf page."""
    length, place = varint(page, place)
    seq, place = varint(page, place)
    header_bytes, at = varint(page, place)
    starts = [header_bytes]
    while at < place + header_bytes:
        kind, at = varint(page, at)
        starts.append(starts[-1] + value_bytes(kind))
    assert starts[-1] == length
    return LeafCell(seq, local_bytes(length, usable), tuple(starts))


def local_bytes(length: int, usable: int) -> int:
    """How much of a record of a length stays in its leaf page: "cell payload overflow pages" in the file format."""
    largest = usable - 35
    if length <= largest:
        return length
    least = (usable - 12) * 32 // 255 - 23
    filled = least + (length - least) % (usable - 4)
    return filled if filled <= largest else least


def value_bytes(kind: int) -> int:
    """How many bytes a value of a serial type takes."""
    return (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 12 else (kind - 12) // 2


def varint(page: memoryview, at: int) -> tuple[int, int]:
    """A number of up to nine bytes, and where what follows it begins."""
    value = 0
    for last in range(at, at + 8):
        value = value << 7 | page[last] & 0x7F
        if page[last] < 0x80:
            return value, last + 1
    return value << 8 | page[at + 8], at + 9
