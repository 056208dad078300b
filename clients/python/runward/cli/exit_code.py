"""What the command line's exit codes mean; docs/cli.md tells them to users."""

from __future__ import annotations

from enum import IntEnum

from runward.errors import RunwardError, TransportError


class ExitCode(IntEnum):
    """The exit codes, the same for every command."""

    DONE = 0
    REFUSED = 1
    """A job failed, or a request was refused."""
    USAGE = 2
    EXTRA_MISSING = 3
    """A command needs an extra that is not installed."""
    UNREACHABLE = 4
    """No Runward server answered."""
    INTERRUPTED = 130
    """As a shell counts a process that SIGINT ended."""


def exit_code_of(error: RunwardError) -> ExitCode:
    """Give the exit code of a command that this error ended."""
    return ExitCode.UNREACHABLE if isinstance(error, TransportError) else ExitCode.REFUSED


def worst(codes: list[ExitCode]) -> ExitCode:
    """Give the exit code of several outcomes: the greatest, for a server that is gone says more than a refused file."""
    return max(codes, default=ExitCode.DONE)
