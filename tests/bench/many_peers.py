"""The same as `peers` with 20,000 jobs, one round: several minutes, so only with `--only peers-20000`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.peers import TARGETS, compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.figure import Figure
    from tests.bench.setting import Setting

__all__ = ["NAME", "TARGETS", "measure"]
NAME = "peers-20000"
JOBS = 20_000
ROUNDS = 1


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure the peers that are installed. Raises LoadError, ServerError or JobsError."""
    return compared(setting, NAME, JOBS, ROUNDS)
