"""A plugin that looks for what it should not have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from runward_service.plugins import Payload, Plugin, RunContext


class Snoop(Plugin):
    """Returns all that a worker is given: its environment, its arguments, what its descriptors are of."""

    name = "snoop"
    description = "Returns what a worker was given."
    mime_types = ("*/*",)
    deterministic = False

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        own = Path("/proc/self")
        descriptors = []
        for entry in (own / "fd").iterdir():
            try:
                descriptors.append(str(entry.readlink()))
            except FileNotFoundError:
                continue
        return {
            "environment": dict(os.environ),
            "arguments": (own / "cmdline").read_text().split("\0"),
            "descriptors": descriptors,
        }
