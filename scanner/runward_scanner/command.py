"""``runward scan PATH``: the scanner within the client's command line. The one module that imports click."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runward_scanner.report import FORMATS
from runward_scanner.run import UNUSABLE, Answer, explained, scanned, tell


@click.command("scan")
@click.argument("path", default="", type=click.Path())
@click.option(
    "--format", "report_format", type=click.Choice(sorted(FORMATS)), default="text", help="How to write the findings."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--explain", metavar="RULE", help="Say what a rule means, and stop.")
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), help="Keep results in this folder.")
@click.option("--isolated", is_flag=True, help="Use the default settings; look for no pyproject.toml.")
@click.option("--compiled", is_flag=True, help="Find compiled files that are not their sources', too.")
def scan(  # noqa: PLR0917 - click passes each option by name
    path: str,
    report_format: str,
    as_json: bool,
    explain: str | None,
    cache: Path | None,
    isolated: bool,
    compiled: bool,
) -> None:
    """Prove that nothing but ToolRunner runs a plugin.

    Exit code 0: no finding; 1: findings; 2: the scan could not be made.
    """
    if explain is not None:
        answer = explained(explain)
    elif not path:
        answer = Answer("", "Give a path to scan.", UNUSABLE)
    else:
        answer = scanned(Path(path), "json" if as_json else report_format, cache, isolated=isolated, compiled=compiled)
    sys.exit(tell(answer, "runward scan"))
