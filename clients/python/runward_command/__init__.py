"""The command `runward` from its first moment: Ctrl-C ends it with its exit code, whatever is being loaded just then.

It lies beside the package `runward`, whose import is most of what a command does before it begins, and needs nothing
that Python has not loaded by then.
"""

import os
import signal

INTERRUPTED = 130
"""As a shell counts a process that SIGINT ended."""


def main() -> None:
    """Run the command line and exit with its code (docs/cli.md)."""
    end_on_interrupt()
    from runward.cli.main import main as run_command_line  # noqa: PLC0415 - this is what takes its time

    try:
        run_command_line()
    finally:
        end_on_interrupt()


def end_on_interrupt() -> None:
    """From here on Ctrl-C ends the process at once: nothing has to be put away, not yet or not any more.

    A process that was started to ignore it, as in the background of a shell, goes on to.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_on_interrupt() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt again: a command has begun, and may have something to put away."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)
