"""``python -m runward_scanner PATH``."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # the process ends before there is anything worth looking for, and what is loaded makes no garbage

import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the working directory, or what is scanned: nothing there stands in for a module of Python's

from runward_scanner import __version__
from runward_scanner.report import FORMATS
from runward_scanner.run import UNUSABLE, Answer, explained, scanned, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(arguments: list[str] | None = None, *, is_last: bool = False) -> int:
    """Read the command line, print the report, give the exit code; ``is_last`` where the process ends after it."""
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) == 1 and given[0] and not given[0].startswith("-"):
        answer = scanned(given[0], "text", is_last=is_last)  # no options: what reads them need not be loaded
    else:
        answer = _asked(given, is_last=is_last)
    return tell(answer, "runward_scanner")


def _asked(arguments: list[str], *, is_last: bool) -> Answer:
    """Do what the options say."""
    import argparse  # noqa: PLC0415 - as above
    from pathlib import Path  # noqa: PLC0415 - as above

    parser = argparse.ArgumentParser("runward_scanner", description="Prove that nothing but ToolRunner runs a plugin.")
    parser.add_argument("path", nargs="?", default="", help="a file or a folder")
    parser.add_argument("--format", choices=sorted(FORMATS), default="text", help="how to write the findings (text)")
    parser.add_argument("--explain", metavar="RULE", help="say what a rule means, and stop")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="keep results here; a second scan reads only what changed"
    )
    parser.add_argument("--isolated", action="store_true", help="use the default settings; look for no pyproject.toml")
    parser.add_argument("--compiled", action="store_true", help="find compiled files that are not their sources', too")
    parser.add_argument(
        "--compiled-in",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="with --compiled, those here, too",
    )
    parser.add_argument("--version", action="version", version=__version__)
    options = parser.parse_args(arguments)
    if options.explain is not None:
        return explained(options.explain)
    if not options.path:
        return Answer("", "Give a path to scan.", UNUSABLE)
    return scanned(
        options.path,
        options.format,
        options.cache,
        isolated=options.isolated,
        compiled=options.compiled,
        compiled_in=options.compiled_in,
        is_last=is_last,
    )


def leave(code: int) -> NoReturn:
    """End the process with what was written, and without taking it apart piece by piece, which takes a while."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(is_last=True))
