"""``runward serve``."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click
import uvloop

from runward_service.commands.data_dir import data_dir_option
from runward_service.commands.limit_options import limit_options, limits_of
from runward_service.commands.receipt_key_option import receipt_key_option
from runward_service.commands.retention_options import retention_of, retention_options
from runward_service.config import Config
from runward_service.governance.receipt_key_file import ReceiptKeyError
from runward_service.listen_address import ListenError, check_address
from runward_service.log_writer import start_logging
from runward_service.server import serve as run_server
from runward_service.server_group import ServerGroup
from runward_service.store.database import SchemaError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path


@click.command()
@click.option(
    "--listen",
    envvar="RUNWARD_LISTEN",
    default="127.0.0.1:50051",
    show_default=True,
    metavar="HOST:PORT",
    callback=lambda _context, _parameter, address: listen_address(address),
    help="Where to listen; port 0 picks a free one, unix:PATH a socket.",
)
@data_dir_option
@receipt_key_option
@click.option(
    "--workers",
    envvar="RUNWARD_WORKERS",
    type=click.IntRange(1, 1024),
    default=os.cpu_count() or 1,
    show_default="the number of processors",
    help="How many runs at once, over all plugins and processes.",
)
@click.option(
    "--processes",
    envvar="RUNWARD_PROCESSES",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many server processes share the port and the data folder; the workers are shared out among them.",
)
@click.option(
    "--lifeline", type=int, default=-1, hidden=True, help="The parent's end of life, for one of several processes."
)
@click.option(
    "--worker-variable",
    "worker_variables",
    envvar="RUNWARD_WORKER_VARIABLES",
    multiple=True,
    metavar="NAME",
    help="An environment variable that plugins may see. Repeat for more; in the variable, separate them by spaces.",
)
@click.option(
    "--plugin",
    "plugins",
    envvar="RUNWARD_PLUGINS",
    multiple=True,
    metavar="MODULE:CLASS",
    help="Load this plugin too. Repeat for more; in the variable, separate them by spaces.",
)
@click.option(
    "--discover/--no-discover",
    envvar="RUNWARD_DISCOVER",
    default=True,
    show_default=True,
    help="Load the plugins that installed packages offer.",
)
@click.option(
    "--grace",
    envvar="RUNWARD_GRACE",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="Seconds that a stop waits for running jobs.",
)
@retention_options
@click.option(
    "--verify-sample",
    envvar="RUNWARD_VERIFY_SAMPLE",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="RATE",
    help="The fraction of successful jobs that are run again in the background and compared.",
)
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Say that the server is ready as a line of JSON.")
@click.option(
    "--log-level",
    envvar="RUNWARD_LOG_LEVEL",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What to log, to standard error.",
)
def serve(  # noqa: PLR0917 - click passes each option by name
    listen: str,
    data_dir: Path,
    receipt_key: Path | None,
    workers: int,
    processes: int,
    lifeline: int,
    worker_variables: tuple[str, ...],
    plugins: tuple[str, ...],
    discover: bool,
    grace: float,
    verify_sample: float,
    log_level: str,
    as_json: bool,
    **bounds: int,
) -> None:
    """Run the server until SIGTERM or Ctrl-C; a second one hurries the stop.

    Every option can also be set by its RUNWARD_ variable. Prints "runward: serving on HOST:PORT" when calls are taken.
    """
    start_logging(log_level)
    config = Config(
        listen=listen,
        data_dir=data_dir,
        receipt_key=receipt_key,
        workers=workers,
        worker_variables=worker_variables,
        plugins=plugins,
        discover=discover,
        grace=grace,
        verify_sample=verify_sample,
        lifeline=lifeline,
        **retention_of(bounds),
        **limits_of(bounds),
    )
    on_ready = announce_json if as_json else announce
    if processes > 1:
        serving = ServerGroup(sys.argv[1:], processes, workers).serve(listen, on_ready)
    else:
        serving = run_server(config, on_ready)
    raise SystemExit(status_of(serving, data_dir))


def status_of(serving: Coroutine[Any, Any, int], data_dir: Path) -> int:
    """Serve; the exit status. Raises ClickException for what an operator can put right, OSError where nobody could be
    told that the server is ready.
    """
    try:
        return uvloop.run(to_the_end(serving))
    except (ListenError, SchemaError, ReceiptKeyError) as error:
        raise click.ClickException(str(error)) from error
    except UntoldError as error:
        raise error.problem from None
    except OSError as error:
        raise click.ClickException(f"the data folder {data_dir} cannot be used: {error}") from error


def listen_address(address: str) -> str:
    """An address that may be listened on. Raises BadParameter for another."""
    try:
        return check_address(address)
    except ListenError as error:
        raise click.BadParameter(str(error)) from error


async def to_the_end(serving: Coroutine[Any, Any, int]) -> int:
    """Serve; the exit status. What asks to stop once all has ended does not change that status any more."""
    try:
        return await serving
    finally:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)  # the loop would put the default in its place when it closes
            signal.signal(number, signal.SIG_IGN)


class UntoldError(Exception):
    """Nobody could be told that the server is ready, so it stops."""

    def __init__(self, problem: OSError) -> None:
        """Hold what the output says."""
        super().__init__(str(problem))
        self.problem = problem


def announce(address: str) -> None:
    """Say that the server is ready. Raises UntoldError."""
    tell(f"runward: serving on {address}")


def announce_json(address: str) -> None:
    """Say that the server is ready, to programs. Raises UntoldError."""
    tell(json.dumps({"serving": address}))


def tell(line: str) -> None:
    """Write a line to the output."""
    try:
        click.echo(line)
    except OSError as error:
        raise UntoldError(error) from error
