"""Plugins that look at what a run should not depend on: chance, the process, what was run before."""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from runward_service.plugins import Payload, Plugin, RunContext

ANY = {"type": "object"}


class Surroundings(Plugin):
    """Tells what it finds around it, and leaves what its options name."""

    name = "surroundings"
    description = "Tells what it finds around it."
    mime_types = ("*/*",)
    options_schema = ANY

    def setup(self) -> None:
        self.start = str(Path.cwd())
        self.kept = Path(tempfile.mkdtemp())

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        options = payload.options
        descriptors = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
        found = {
            "pid": os.getpid(),
            "start": self.start,
            "folder": str(Path.cwd()),
            "files": sorted(path.name for path in Path().iterdir()),
            "temporary": tempfile.gettempdir(),
            "kept": self.kept.exists(),
            "variables": dict(os.environ),
            "descriptors": list(map(name_of, descriptors)),
            "inheritable": list(filter(is_inherited, descriptors)),
            "random": random.random(),
            "hash": hash("text") % 1_000_000,
            "set": list({"alpha", "beta", "gamma", "delta"}),
        }
        if "numpy" in options:
            import numpy as np  # noqa: PLC0415 - loaded by some runs alone

            found["numpy"] = np.random.random()
        if "write" in options:
            Path("left").write_text("by an earlier run")
            Path("folder", "deeper").mkdir(parents=True)
            Path("folder", "deeper", "file").touch()
            Path("link").symlink_to(options["write"])
        for depth in range(int(options.get("depth", 0))):
            Path(f"file-{depth}").touch()
            os.mkdir("deeper", 0o700 if depth % 2 else 0o300)  # noqa: PTH102 - below a path that is too long for Path
            os.chdir("deeper")
        if "leave" in options:
            os.chdir(options["leave"])
        if "spoil" in options:
            threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        if "remove" in options:
            Path.cwd().rmdir()
        return found


def name_of(descriptor: int) -> str:
    """What an open descriptor is of, without numbers."""
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink()).partition(":[")[0]
    except OSError:
        return ""


def is_inherited(descriptor: int) -> bool:
    """Whether a program that is started gets it, beside the standard ones."""
    try:
        return descriptor > 2 and os.get_inheritable(descriptor)
    except OSError:
        return False


class Wavering(Surroundings):
    """As Surroundings, and says that it is not repeatable."""

    name = "wavering"
    deterministic = False


class Undecided(Wavering):
    """Says that it is cacheable, and that it is not repeatable."""

    name = "undecided"
    cacheable = True
