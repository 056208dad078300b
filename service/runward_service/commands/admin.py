"""``runward admin``: what an operator does on the server's own host."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from runward_service.commands.audit import audit, rotate_key
from runward_service.commands.backup import backup, restore
from runward_service.commands.data_dir import data_dir_option
from runward_service.commands.gc import gc
from runward_service.domain.errors import GovernedError
from runward_service.store.database import Database
from runward_service.store.job_reader import SqliteJobReader

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def admin() -> None:
    """Commands for the server's own host: they work on the data folder."""


admin.add_command(backup)
admin.add_command(restore)
admin.add_command(gc)
admin.add_command(audit)
admin.add_command(rotate_key)


@admin.command()
@click.argument("job_id", metavar="JOB")
@data_dir_option
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
