"""Bytes that tell, wherever a piece of them turns up, whose they are: a mark of eight bytes over and over."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARK = struct.Struct("<II")
WORD = 4
FACTOR = 0x9E3779B1
PAGE_BYTES = 4096
TABLE_LEAF = 13
"""How a leaf page of a table's b-tree begins; an overflow page begins with a page's number, a small one with 0."""


class Kind(IntEnum):
    """What is marked; it is part of what the second half of a mark is made of, by the first, which is the number. So
    what a page's end cuts in two is not taken for another mark.
    """

    IMAGE = 0xE7A5ED1A
    RESULT = 0x9E5A17ED


def marked(kind: Kind, number: int, size: int) -> bytes:
    """``size`` bytes, of which every piece of 15 or more has a whole mark. Fewer than 8 have none."""
    mark = MARK.pack(number, (number * FACTOR + kind) % 2**32)
    return (mark * (size // len(mark) + 1))[:size]


def places_of(content: bytes, kind: Kind) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where in some bytes marks of a kind stand, and their numbers."""
    places, numbers = [], []
    for shift in range(WORD):
        words = np.frombuffer(content, "<u4", (len(content) - shift) // WORD, shift) if len(content) > shift else None
        if words is not None and len(words) > 1:
            found = np.flatnonzero(words[:-1] * np.uint32(FACTOR) + np.uint32(kind) == words[1:])
            places.append(found * WORD + shift)
            numbers.append(words[found].astype(np.int64))
    if not places:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(places), np.concatenate(numbers)


def in_leaves(database: bytes, places: NDArray[np.int64]) -> int:
    """How many of some places in a database's file lie in leaf pages of tables."""
    leaf = np.frombuffer(database, np.uint8)[::PAGE_BYTES] == TABLE_LEAF
    return int(leaf[places // PAGE_BYTES].sum())
