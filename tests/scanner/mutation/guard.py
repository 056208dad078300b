"""What the runtime guard makes of a mutant."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from typing import TYPE_CHECKING, TypeAlias

from tests.scanner.mutation.service_source import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scanner.mutation.mutant import Mutant

Guard: TypeAlias = "Callable[[Mutant], bool | None]"
"""Executes a mutant's bypass (``Mutant.bypass``) and says whether the service stopped it and logged a governance
violation; None where it was not, or cannot be, executed."""


class ExecutingGuard:
    """Executes bypasses, each in a process of its own that the unchanged service is loaded in."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._process: subprocess.Popen[str] | None = None
        self._known: dict[str, bool] = {}

    def __call__(self, mutant: Mutant) -> bool | None:
        """Whether the mutant's bypass was stopped and nothing ran; bypasses that are alike are executed once."""
        bypass = mutant.bypass
        if bypass is None:
            return None
        if bypass.key not in self._known:
            words = self._ask(json.dumps({"code": bypass.code, "files": dict(bypass.files)}))
            self._known[bypass.key] = words == {"stopped"}
        return self._known[bypass.key]

    def close(self) -> None:
        """End the process that executes."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _ask(self, question: str) -> set[str]:
        if self._process is None:
            command = [sys.executable, "-m", "tests.scanner.mutation.executing", "--stdin"]
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            atexit.register(self.close)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return set(json.loads(self._process.stdout.readline()))


GUARD: Guard = ExecutingGuard()
"""The guard that the matrix is made with."""
