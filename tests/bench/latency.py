"""Analyze with one call in flight, against the sum of what it cannot do without: a call, and a commit."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from tests.bench import calls
from tests.bench.figure import Figure, Target
from tests.bench.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.setting import Setting

NAME = "latency"
TARGET = Target(1.8)
ROW_BYTES = 1024
MILLISECONDS = 1000
TURNS = 5
"""A round."""


class BareCommits:
    """A SQLite database that does nothing but commit rows of 1 KB, as durably as the service."""

    def __init__(self, folder: Path) -> None:
        """Make it in a folder: the disk counts."""
        self._connection = sqlite3.connect(folder / "commits.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS row (content BLOB)")

    def measure(self, count: int) -> list[float]:
        """Commit so many rows, one after another; the milliseconds of each."""
        times = []
        for _ in range(count):
            start = time.perf_counter()
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("INSERT INTO row VALUES (?)", (bytes(ROW_BYTES),))
            self._connection.execute("COMMIT")
            times.append((time.perf_counter() - start) * MILLISECONDS)
        return times

    def close(self) -> None:
        """Close it."""
        self._connection.close()


class Round:
    """The latencies of one round, in milliseconds."""

    def __init__(self) -> None:
        self.echo: list[float] = []
        self.commit: list[float] = []
        self.analyze: list[float] = []

    def against(self) -> float:
        """Give the p50 of Analyze against the sum of the two others'."""
        return percentile(self.analyze, 0.5) / (percentile(self.echo, 0.5) + percentile(self.commit, 0.5))


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure call, commit and Analyze in turns, a few of each at a time: a disk's mood changes within a second."""
    commits = BareCommits(setting.server.folder)
    echo, analyze = calls.echo(setting.echo_address), calls.analyze(setting.server.address)
    count = setting.scale.latency_calls // TURNS
    rounds: list[Round] = []
    for number in range(setting.scale.rounds):
        setting.say(f"one in flight, round {number + 1} of {setting.scale.rounds}")
        rounds.append(Round())
        for _ in range(TURNS):
            rounds[-1].echo += setting.load.closed(echo, 1, calls=count)["latencies"]
            rounds[-1].commit += commits.measure(count)
            rounds[-1].analyze += setting.load.closed(analyze, 1, calls=count)["latencies"]
    commits.close()
    return [
        Figure.of_rounds(NAME, "Analyze / (echo + commit), p50", [each.against() for each in rounds], "", TARGET),
        Figure.of_rounds(NAME, "echo, p50", [percentile(each.echo, 0.5) for each in rounds], "ms"),
        Figure.of_rounds(NAME, "bare commit (WAL, FULL), p50", [percentile(each.commit, 0.5) for each in rounds], "ms"),
        Figure.of_rounds(NAME, "Analyze, p50", [percentile(each.analyze, 0.5) for each in rounds], "ms"),
        Figure.of_rounds(NAME, "Analyze, p99", [percentile(each.analyze, 0.99) for each in rounds], "ms"),
    ]
