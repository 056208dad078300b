"""A plugin whose process ends as its module is imported, once, when the file exists that FRAIL_FILE names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from runward_service.plugins import Payload, Plugin, RunContext

file = Path(os.environ["FRAIL_FILE"])
if file.exists():
    file.unlink()
    os._exit(7)


class FrailModule(Plugin):
    """Does nothing."""

    name = "frail_module_s_plugin"
    description = "Does nothing."
    mime_types = ("*/*",)

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {}
