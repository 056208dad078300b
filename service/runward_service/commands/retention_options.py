"""The options of ``runward serve`` that say how long things are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runward_service.commands.duration import DurationParameter
from runward_service.domain.retention_policy import RetentionPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OPTIONS = [
    click.option(
        "--retain-for",
        envvar="RUNWARD_RETAIN_FOR",
        type=DurationParameter(),
        default="30d",
        show_default=True,
        metavar="DURATION",
        help="How long finished jobs and their changes are kept, such as 12h or 30d.",
    ),
    click.option(
        "--retain-jobs",
        envvar="RUNWARD_RETAIN_JOBS",
        type=click.IntRange(0),
        default=1_000_000,
        show_default=True,
        help="How many finished jobs are kept at most, the newest; 0: any number.",
    ),
    click.option(
        "--max-retention",
        envvar="RUNWARD_MAX_RETENTION",
        type=DurationParameter(),
        default="30d",
        show_default=True,
        metavar="DURATION",
        help="The longest time that a request may have its job kept.",
    ),
    click.option(
        "--retain-uploads",
        envvar="RUNWARD_RETAIN_UPLOADS",
        type=DurationParameter(),
        default="1d",
        show_default=True,
        metavar="DURATION",
        help="How long an uploaded blob is kept that no job has.",
    ),
]


def retention_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def retention_of(values: Mapping[str, int]) -> dict[str, Any]:
    """The settings that the options' values make."""
    return {
        "retention": RetentionPolicy(values["retain_for"], values["retain_jobs"]),
        "max_retention_us": values["max_retention"],
        "retain_uploads_us": values["retain_uploads"],
    }
