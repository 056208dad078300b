"""The plugin of the crash matrix: acts as its options say."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from runward_service.plugins import Payload, Plugin, PluginError, RunContext

PAUSE_SECONDS = 0.002
WORLD = "CRASH_WORLD"
"""The variable that names the folder in which it writes its runs down and waits for the gate."""


class Acting(Plugin):
    """Writes each run down outside the service, then does what its option ``act`` names."""

    name = "acting"
    version = "1.0.0"
    description = "Acts as its options say."
    mime_types = ("*/*",)
    options_schema = {"type": "object"}
    timeout = 30.0
    concurrency = 1
    max_attempts = 2

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Run once."""
        world, act = Path(os.environ[WORLD]), payload.options["act"]
        record = os.open(world / "runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(record, f"{context.job_id} {context.attempt}\n".encode())
        os.close(record)
        if act == "refuse":
            raise PluginError("It will not.", {"why": 7})
        if act == "raise":
            raise RuntimeError("It cannot.")
        if act == "die" or (act == "die once" and context.attempt == 1):
            os._exit(9)
        if act == "report":
            context.progress(0.5, "half")
        if act == "give":
            context.artifact("small.bin", payload.image[:10], "application/octet-stream")
            context.artifact("large.bin", payload.image[:10] * 30_000, "application/octet-stream")
        while act == "hang" or (act in {"hold", "report"} and not (world / "open").exists()):
            time.sleep(PAUSE_SECONDS)
        return {"size": len(payload.image)}


class ActingTwice(Acting):
    """Two runs at once."""

    name = "acting_twice"
    concurrency = 2


class ActingAgain(Acting):
    """Says that what it gave once stands for all further runs."""

    name = "acting_again"
    cacheable = True
