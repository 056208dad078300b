"""Remembered: what was read from the database, as long as there is room for it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values by their keys, the ones that were asked for last. It is for what cannot change under its key: that it is
    still stored has to be asked each time.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        """Hold so many, of so many bytes together."""
        self._most = most
        self._most_bytes = most_bytes
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._size_bytes = 0

    def get(self, key: K) -> V | None:
        """What is remembered under a key; None where nothing is."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def note(self, key: K, value: V, size_bytes: int) -> None:
        """Remember a value of a size in bytes, in the place of the key's earlier one; not one that would take a
        sixteenth of the room by itself.
        """
        self.forget(key)
        if size_bytes * 16 > self._most_bytes:
            return
        self._values[key] = value, size_bytes
        self._size_bytes += size_bytes
        while len(self._values) > self._most or self._size_bytes > self._most_bytes:
            self.forget(next(iter(self._values)))

    def clear(self) -> None:
        """Remember nothing."""
        self._values.clear()
        self._size_bytes = 0

    def forget(self, key: K) -> None:
        """Remember nothing under a key."""
        _, size_bytes = self._values.pop(key, (None, 0))
        self._size_bytes -= size_bytes
