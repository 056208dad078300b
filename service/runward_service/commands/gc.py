"""``runward admin gc``."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING

import click

from runward_service.commands.data_dir import data_dir_option
from runward_service.commands.duration import DurationParameter
from runward_service.commands.progress import live_progress
from runward_service.commands.receipt_key_option import receipt_key_option
from runward_service.domain.errors import GovernedError
from runward_service.governance.receipt_key_file import ReceiptKeyError, load
from runward_service.store.database import Database, SchemaError
from runward_service.store.maintenance import Collected, MaintenanceError, collect_garbage

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@data_dir_option
@receipt_key_option
@click.option(
    "--retain-for",
    type=DurationParameter(),
    metavar="DURATION",
    help="How long finished jobs are kept, such as 12h or 30d (default: what the last server was told).",
)
@click.option(
    "--retain-jobs",
    type=click.IntRange(0),
    metavar="N",
    help="How many finished jobs are kept at most; 0: any number (default: what the last server was told).",
)
@click.option(
    "--compact", is_flag=True, help="Make the database's file as small as it can be; no server may use it meanwhile."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def gc(  # noqa: PLR0917 - click passes each option by name
    data_dir: Path,
    receipt_key: Path | None,
    retain_for: int | None,
    retain_jobs: int | None,
    compact: bool,
    as_json: bool,
) -> None:
    """Remove now what has expired, and what crashes left among the images, whether a server runs or not."""
    database = Database(data_dir.absolute())
    try:
        with live_progress(not as_json) as progress:
            work = collect_garbage(database, retain_for, retain_jobs, compact, load(receipt_key), progress)
            collected = asyncio.run(work)
    except GovernedError as error:
        raise click.ClickException(error.message) from error
    except (SchemaError, MaintenanceError, ReceiptKeyError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"the data folder {data_dir} cannot be used: {error}") from error
    click.echo(json.dumps(dataclasses.asdict(collected)) if as_json else sentence(collected))


def sentence(collected: Collected) -> str:
    """What was removed, for a person."""
    return (
        f"removed: {collected.jobs:,} jobs, {collected.events:,} events, {collected.images:,} images with "
        f"{collected.image_bytes:,} bytes, {collected.stray_files:,} stray files; "
        f"the database takes {collected.database_bytes:,} bytes"
    )
