"""Parameters that several commands take: files, options, labels, times."""

from __future__ import annotations

import glob
import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runward.image import SUFFIX_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

_OTHER_TARGET = re.compile(r"(unix|unix-abstract|dns|ipv4|ipv6|vsock|xds):(?!\d+$)")
"""Other ways to name a server, which gRPC takes."""


def expand_files(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> tuple[Path, ...]:
    """Turn files, directories and patterns into files, in order, each once. BadParameter where there are none."""
    files: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if not name:  # as of an unset variable; Path takes it for the present directory
            raise click.BadParameter("the name of a file is empty")
        if path.is_dir():
            found = _images_below(path)
            if not found:
                raise click.BadParameter(f"no images in directory {name}")
        elif path.exists():
            found = [path]
        else:
            found = [Path(match) for match in sorted(glob.glob(name, recursive=True)) if Path(match).is_file()]  # noqa: PTH207 -- Path.glob takes no absolute patterns
            if not found:
                problem = "no file fits the pattern" if glob.has_magic(name) else "no such file:"
                raise click.BadParameter(f"{problem} {name}")
        files.update(dict.fromkeys(found))
    return tuple(files)


def named_path(_context: click.Context, _parameter: click.Parameter, name: str | None) -> Path | None:
    """Turn the name of what is to be written into a path. BadParameter for an empty one, as of an unset variable."""
    if name == "":
        raise click.BadParameter("the name is empty")
    return None if name is None else Path(name)


def server_address(_context: click.Context, _parameter: click.Parameter, address: str | None) -> str | None:
    """Refuse what names no server: gRPC would take a port that is missing or too great for another one."""
    if not address or _OTHER_TARGET.match(address):
        return address
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise click.BadParameter(f"{address!r} is not HOST:PORT, such as localhost:50051")
    return address


def local_time(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | None:
    """Read a day, or a day and a time: those of this machine, unless a zone is told."""
    try:
        return None if text is None else datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no time such as 2026-01-31 or 2026-01-31T12:00:00") from None


def parse_pairs(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """Turn key=value arguments into a mapping; a later one wins."""
    return dict(_split(pair) for pair in pairs)


def parse_option_pairs(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, Any]:
    """Turn key=value arguments into options: a value that is JSON is taken as JSON, any other as a string."""
    return {key: _json_or_text(value) for key, value in map(_split, pairs)}


def read_options_file(_context: click.Context, _parameter: click.Parameter, name: Path | None) -> dict[str, Any]:
    """Read a file with one JSON object."""
    if name is None:
        return {}
    try:
        options = json.loads(name.read_bytes())
    except OSError as problem:
        raise click.BadParameter(f"cannot read {name}: {problem.strerror}") from None
    except ValueError as problem:
        raise click.BadParameter(f"{name} is no JSON: {problem}") from None
    if not isinstance(options, dict):
        raise click.BadParameter(f"{name} does not hold a JSON object")
    return options


_IMAGE_PARAMETERS = (
    click.argument("plugin"),
    click.argument("files", metavar="FILE...", nargs=-1, required=True, callback=expand_files),
    click.option(
        "--option",
        "-o",
        "pairs",
        metavar="KEY=VALUE",
        multiple=True,
        callback=parse_option_pairs,
        help="An option of the plugin; a value that is JSON is taken as JSON, any other as a string. Repeatable.",
    ),
    click.option(
        "--options-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        callback=read_options_file,
        help="A JSON object with options of the plugin; --option adds to it.",
    ),
    click.option("--timeout", type=float, metavar="SECONDS", help="The longest time of a run (default: the plugin's)."),
    click.option(
        "--label",
        "labels",
        metavar="KEY=VALUE",
        multiple=True,
        callback=parse_pairs,
        help="A label for the jobs. Repeatable.",
    ),
    click.option(
        "--retention",
        type=float,
        metavar="SECONDS",
        help="How long the jobs are kept after their end (default: as the server keeps jobs).",
    ),
    click.option("--skip-cache", is_flag=True, help="Have each job run, also where an equal one's output is kept."),
    click.option("--mime-type", metavar="TYPE", help="The images' type (default: told by their bytes or names)."),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
        help="How many calls are made at once.",
    ),
)


def image_parameters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what analyze and submit both take: PLUGIN, FILE… and how to run."""
    for parameter in reversed(_IMAGE_PARAMETERS):
        function = parameter(function)
    return function


def _images_below(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.suffix.lower() in SUFFIX_TYPES and path.is_file())


def _split(pair: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{pair!r} is not KEY=VALUE")
    return key, value


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
