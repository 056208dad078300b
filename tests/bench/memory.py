"""The resident memory of the service process, its workers not counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.figure import Figure
from tests.programs.processes import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "memory"
MEBIBYTE = 1024 * 1024


def figures(before: int, after: int) -> Sequence[Figure]:
    """Give the figures of a service that used so many bytes before and after the load."""
    return [
        Figure(NAME, "service, after its start", before / MEBIBYTE, "MiB"),
        Figure(NAME, "service, after the load", after / MEBIBYTE, "MiB"),
    ]


def of_service(pid: int) -> int:
    """Tell the resident memory of a service, in bytes."""
    return resident_bytes(pid)
