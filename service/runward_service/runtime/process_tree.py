"""Processes as /proc shows them: who descends from whom, and how much memory they hold."""

from __future__ import annotations

import os
import signal
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def children_of(pid: int) -> list[int]:
    """The direct children of all threads of a process; none when it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - called many times a second
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
    except OSError:
        return found
    return found


def descendants_of(pid: int) -> list[int]:
    """All descendants of a process, parents first."""
    found = children_of(pid)
    for child in found:
        found += children_of(child)
    return found


def resident_bytes(pid: int) -> int:
    """The resident memory of a process, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


def proportional_bytes(pid: int) -> int:
    """The memory of a process, pages that several share divided among them; 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, IndexError):
        return 0
    return 0


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal; False when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"T"
    except (OSError, IndexError):
        return False


def kill(pid: int) -> None:
    """Send SIGKILL; nothing when the process is gone, or has become another user's."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def kill_marked(mark: str) -> None:
    """Kill every process whose environment at its start held ``mark`` ("NAME=value"), until none is left."""
    wanted = mark.encode()
    while pids := [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_marked(pid, wanted)]:  # noqa: PTH208
        for pid in pids:
            kill(pid)


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
