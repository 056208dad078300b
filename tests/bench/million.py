"""What a million jobs of history cost, as `growth` measures it: ten minutes and more, so only where it is asked for
with `--only million`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.growth import TARGETS, compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.figure import Figure
    from tests.bench.setting import Setting

__all__ = ["ARGUMENTS", "NAME", "TARGETS", "measure"]
NAME = "million"
JOBS = 1_000_000
ARGUMENTS = ("--retain-jobs", "0")
"""By default a server keeps a million."""


def measure(setting: Setting) -> Sequence[Figure]:
    """Fill the server of the setting and measure it. Raises LoadError, ServerError or JobsError."""
    return list(compared(setting, NAME, JOBS))
