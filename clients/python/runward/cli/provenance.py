"""runward provenance, verify-provenance: where a result comes from, for whoever was not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runward.cli.exit_code import ExitCode
from runward.cli.json_form import json_line
from runward.cli.session import Session, remote
from runward.provenance import ProvenanceError, read_secrets, statement_of, verify_statement

if TYPE_CHECKING:
    from runward.client import Client

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("job_id", metavar="JOB")
@click.option("--output", "-o", type=FILE, metavar="FILE", help="Write the statement there instead of printing it.")
@remote
async def provenance(rw: Client, session: Session, *, job_id: str, output: Path | None) -> None:
    """Give the in-toto statement of a finished job: what came of which input, by which code, with its receipt."""
    statement = json.dumps(statement_of(await rw.get(job_id)), indent=2)
    if output is None:
        click.echo(statement)
        return
    write(output, statement + "\n")
    session.note(f"written to {output}")


@click.command("verify-provenance")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--receipt-key",
    envvar="RUNWARD_RECEIPT_KEY",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The server's receipt keys.",
)
@click.option("--json", "json_output", is_flag=True, help="Print JSON for programs.")
def verify_provenance(file: Path, receipt_key: Path, json_output: bool) -> None:
    """Verify a statement with the server's receipt keys, without the server; the exit code is 1 unless it holds."""
    try:
        statement = json.loads(file.read_bytes())
        differences = verify_statement(statement, read_secrets(receipt_key.read_text(encoding="ascii")))
    except (ProvenanceError, OSError, ValueError, RecursionError) as error:
        raise click.ClickException(str(error)) from error
    if json_output:
        click.echo(json_line({"holds": not differences, "differences": differences}))
    else:
        click.echo("\n".join(differences) or "it holds: all of it was signed by the server")
    raise SystemExit(ExitCode.REFUSED if differences else ExitCode.DONE)


def write(path: Path, text: str) -> None:
    """Write a file. Raises ClickException where it cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error}") from error
