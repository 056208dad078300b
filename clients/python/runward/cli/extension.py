"""Commands from other packages: found through the entry-point group `runward.commands`, loaded when they are called.

The client imports neither the service nor the scanner; it knows the names of their commands, to say what to install.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points

import click

from runward.cli.exit_code import ExitCode

GROUP = "runward.commands"


@dataclass(frozen=True, slots=True)
class Extension:
    """A command that another package brings."""

    requirement: str
    """What to install for it."""
    help: str


KNOWN = {
    "serve": Extension("runward[service]", "Run the server."),
    "admin": Extension("runward[service]", "Look after a server's data, on its own host."),
    "scan": Extension("runward", "Check code against the execution rules."),
}


def extension_names() -> list[str]:
    """Give the names of all such commands: those that are known, and those that any installed package brings."""
    return sorted({*KNOWN, *(point.name for point in entry_points(group=GROUP))})


def listed(name: str) -> click.Command:
    """Give a command that stands for the extension in --help, without loading it."""
    known = KNOWN.get(name)
    return click.Command(name, help=known.help if known else "From another package.")


def load(name: str) -> click.Command:
    """Load an extension's command; where it cannot be, a command that says what to install."""
    for point in entry_points(group=GROUP, name=name):
        try:
            command = point.load()
        except ImportError as problem:
            return _missing(name, str(problem))
        if isinstance(command, click.Command):
            return command
    return _missing(name, "it is not installed")


def _missing(name: str, cause: str) -> click.Command:
    known = KNOWN.get(name)

    def tell(**_: object) -> None:
        click.echo(f"runward {name} cannot run: {cause}.", err=True)
        if known is not None:
            click.echo(f"Install what it needs: pip install '{known.requirement}'", err=True)
        click.get_current_context().exit(ExitCode.EXTRA_MISSING)

    return click.Command(
        name,
        callback=tell,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
    )
