"""``runward admin``: what an operator does on the server's own host."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from runward_service.domain.errors import GovernedError
from runward_service.store.database import Database
from runward_service.store.job_reader import SqliteJobReader


@click.group()
def admin() -> None:
    """Commands for the server's own host: they read the data folder."""


@admin.command()
@click.argument("job_id", metavar="JOB")
@click.option(
    "--data-dir",
    envvar="RUNWARD_DATA_DIR",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=Path("runward-data"),
    show_default=True,
    help="Where jobs and images are kept.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def traceback(job_id: str, data_dir: Path, as_json: bool) -> None:
    """Print the tracebacks of a job's attempts, which callers never see."""
    found = asyncio.run(read_tracebacks(data_dir, job_id))
    if as_json:
        click.echo(json.dumps([{"attempt": attempt, "traceback": text} for attempt, text in found]))
    elif not found:
        raise click.ClickException("no traceback is stored for this job")
    for attempt, text in found if not as_json else ():
        click.echo(f"attempt {attempt}:\n{text}")


async def read_tracebacks(data_dir: Path, job_id: str) -> list[tuple[int, str]]:
    """The tracebacks of a job, by attempt. Raises ClickException when the folder holds no data or no such job."""
    database = Database(data_dir)
    if not database.path.exists():
        raise click.ClickException(f"{data_dir} holds no data of a server")
    reader = SqliteJobReader(database)
    await reader.open()
    try:
        await reader.get_job(job_id, None)
        return await reader.tracebacks(job_id)
    except GovernedError as error:
        raise click.ClickException(error.message) from error
    finally:
        await reader.close()
