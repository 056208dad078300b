"""Durations on the command line: a number with a unit."""

from __future__ import annotations

import re
from typing import Any

import click

UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
FORM = re.compile(r"(\d+(?:\.\d+)?)([smhd])\Z")
MAX_US = 10 * 366 * UNITS_US["d"]


class DurationParameter(click.ParamType):  # type: ignore[type-arg] # generic in newer releases of click alone
    """A duration such as 90s, 15m, 12h or 30d, as microseconds; at least one, at most ten years."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it. Fails as click wants where it is none."""
        if isinstance(value, int):
            return value
        match = FORM.match(value.strip())
        microseconds = round(float(match[1]) * UNITS_US[match[2]]) if match else 0
        if not 0 < microseconds <= MAX_US:
            self.fail(f"{value!r} is no duration such as 90s, 15m, 12h or 30d, of at most ten years", param, ctx)
        return microseconds
