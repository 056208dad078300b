"""What every command that calls a server has in common: the connection, the output, and one way to end."""

from __future__ import annotations

import asyncio
import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, RenderableType

import runward
from runward.cli.exit_code import ExitCode, exit_code_of
from runward.cli.job_view import error_view
from runward.cli.json_form import error_form, json_line
from runward.cli.parameters import server_address
from runward.client import DEFAULT_TARGET
from runward.errors import RunwardError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from runward.client import Client

_PIPE_WIDTH = 160
"""The width of tables that go into a pipe or a file, where no terminal gives one."""


@dataclass(frozen=True, slots=True)
class RootSettings:
    """What was said before the command's name; the command's own --server and --json come first."""

    server: str
    json_output: bool


class Session:
    """One command's run: where it calls, and how it speaks."""

    def __init__(self, server: str, *, json_output: bool) -> None:
        self.server = server
        self.json_output = json_output
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    @property
    def live(self) -> bool:
        """Whether there is somebody to show moving things to: stderr is a terminal."""
        return self.err.is_terminal and not self.json_output

    def show(self, form: object, view: Callable[[], RenderableType], *, failed: bool = False) -> None:
        """Print one thing: its form as a line of JSON with --json, else its view (on stderr where it is an error's)."""
        if self.json_output:
            click.echo(json_line(form))
        else:
            (self.err if failed else self.out).print(view())

    def show_error(self, error: RunwardError) -> None:
        """Print an error: its envelope on stdout with --json, else for a person on stderr."""
        self.show(error_form(error), lambda: error_view(error), failed=True)

    def note(self, text: str) -> None:
        """Print a remark for a person on stderr; nothing with --json."""
        if not self.json_output:
            self.err.print(text, style="dim", markup=False)

    def run(self, work: Callable[[Client], Awaitable[ExitCode | None]]) -> ExitCode:
        """Connect, do the work, and give the exit code, having told of any error."""
        try:
            return asyncio.run(self._connected(work)) or ExitCode.DONE
        except KeyboardInterrupt:
            self.note("interrupted")
            return ExitCode.INTERRUPTED
        except RunwardError as error:
            self.show_error(error)
            return exit_code_of(error)

    async def _connected(self, work: Callable[[Client], Awaitable[ExitCode | None]]) -> ExitCode | None:
        async with runward.connect(self.server) as rw:
            return await work(rw)


def remote(function: Callable[..., Coroutine[Any, Any, ExitCode | None]]) -> Callable[..., None]:
    """Make a command of `async def command(rw, session, ...)`: add --server and --json, run it, exit with its code."""

    @click.option(
        "--server",
        metavar="HOST:PORT",
        callback=server_address,
        help="The server to call (default: $RUNWARD_SERVER or localhost:50051).",
    )
    @click.option("--json", "json_output", is_flag=True, help="Print JSON for programs.")
    @click.pass_context
    @functools.wraps(function)
    def command(context: click.Context, /, *, server: str | None, json_output: bool, **parameters: Any) -> None:
        root = context.find_object(RootSettings) or RootSettings(DEFAULT_TARGET, json_output=False)
        session = Session(server or root.server, json_output=json_output or root.json_output)
        context.exit(session.run(lambda rw: function(rw, session, **parameters)))

    return command


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console
