"""``runward serve`` with two knobs: its clock can be put back, and its commits can be made slow.

Nothing else differs from the real command. Slow commits stand for a disk whose fsync takes long: each commit, and each
fsync of an image, waits before it is made, on the thread that makes it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from runward_service.commands.serve import serve
from runward_service.domain import clock
from tests.chaos.knobs import Knobs

KNOBS = "CHAOS_KNOBS"


def install(knobs: Knobs) -> None:
    """Put the knobs on this process."""

    def shifted() -> int:
        return time.time_ns() + knobs.read()[0] * 1000

    clock.time = SimpleNamespace(time_ns=shifted)  # type: ignore[attr-defined]

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if sql == "COMMIT" and (delay := knobs.read()[1]):
                time.sleep(delay)
            return super().execute(sql, *parameters)

    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **options: connect(  # type: ignore[assignment]
        *arguments, **{"factory": Connection, **options}
    )
    fsync = os.fsync

    def slow_fsync(descriptor: int) -> None:
        time.sleep(knobs.read()[1])
        fsync(descriptor)

    os.fsync = slow_fsync  # type: ignore[assignment]


if __name__ == "__main__":
    install(Knobs(Path(os.environ[KNOBS])))
    serve()
