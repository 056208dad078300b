"""The settings of a server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set. Times are in seconds.

    ``listen`` is "HOST:PORT" (port 0 picks a free one) or "unix:PATH"; ``workers`` how many runs at once over
    all plugins;
    ``plugins`` are "module:Class"; ``discover`` also loads those that installed distributions offer; ``grace``
    is how long a stop
    waits for running jobs; ``queue_limit`` how many Analyze calls may wait for a worker.
    """

    listen: str = "127.0.0.1:50051"
    data_dir: Path = Path("runward-data")
    workers: int = os.cpu_count() or 1
    plugins: tuple[str, ...] = ()
    discover: bool = True
    grace: float = 30.0
    queue_limit: int = 1000
