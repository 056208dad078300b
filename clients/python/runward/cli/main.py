"""The `runward` command: its subcommands, and the last net under all of them."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import click

from runward.cli.analyze import analyze
from runward.cli.blobs import blobs
from runward.cli.exit_code import ExitCode
from runward.cli.extension import extension_names, listed, load
from runward.cli.jobs import jobs
from runward.cli.parameters import server_address
from runward.cli.plugins import plugins
from runward.cli.provenance import provenance, verify_provenance
from runward.cli.server import governance, health, info, verify
from runward.cli.session import RootSettings
from runward.cli.submit import submit
from runward.client import DEFAULT_TARGET
from runward_command import raise_on_interrupt

OUTPUT_ERRORS = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_CLICKS_OWN = (click.ClickException, click.exceptions.Exit, click.Abort)


class RootGroup(click.Group):
    """The group of all commands: adds those of other packages, and lets no traceback reach the user."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, those of other packages among them."""
        return sorted({*super().list_commands(ctx), *extension_names()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Give a command to list; one of another package is not loaded for it."""
        own = super().get_command(ctx, cmd_name)
        return own or (listed(cmd_name) if cmd_name in extension_names() else None)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Give a command to run; one of another package is loaded here."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name not in self.commands and command is not None:
            command = load(name)
        raise_on_interrupt()
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What no command expected becomes one line; RUNWARD_DEBUG asks for the traceback instead."""
        try:
            return super().invoke(ctx)
        except _CLICKS_OWN:
            raise
        except KeyboardInterrupt:
            ctx.exit(ExitCode.INTERRUPTED)
        except Exception as problem:
            if os.environ.get("RUNWARD_DEBUG") or is_of_output(problem):
                raise
            click.echo(
                f"runward: unexpected {type(problem).__name__}: {problem}\n"
                "This is a fault of runward. RUNWARD_DEBUG=1 shows the traceback for a report.",
                err=True,
            )
            ctx.exit(ExitCode.REFUSED)


@click.group(
    cls=RootGroup,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="Exit codes: 0 done, 1 a job failed or a request was refused, 2 wrong usage, 3 an extra is not installed, "
    "4 no server answered, 5 an audit could not verify everything, 130 interrupted.",
)
@click.version_option(package_name="runward", prog_name="runward")
@click.option(
    "--server",
    metavar="HOST:PORT",
    envvar="RUNWARD_SERVER",
    default=DEFAULT_TARGET,
    show_default=True,
    show_envvar=True,
    callback=server_address,
    help="The server to call.",
)
@click.option("--json", "json_output", is_flag=True, help="Print JSON for programs.")
@click.pass_context
def cli(context: click.Context, server: str, json_output: bool) -> None:
    """Run image-analysis plugins as governed jobs."""
    context.obj = RootSettings(server, json_output=json_output)


for _command in (
    analyze,
    submit,
    jobs,
    blobs,
    plugins,
    verify,
    provenance,
    verify_provenance,
    info,
    health,
    governance,
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line and exit with its code (docs/cli.md)."""
    try:
        cli(prog_name="runward")
    except OSError as problem:
        if os.environ.get("RUNWARD_DEBUG") or not is_of_output(problem):
            raise
        # What could not be written is still there, and would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        click.echo(f"runward: the output cannot be written: {problem.strerror}", err=True)
        sys.exit(ExitCode.REFUSED)


def is_of_output(problem: Exception) -> bool:
    """Whether something could not be written to where the output goes: a closed pipe, which click ends quietly, or a
    full disk.
    """
    return isinstance(problem, OSError) and problem.filename is None and problem.errno in OUTPUT_ERRORS
