"""``runward admin backup`` and ``runward admin restore``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runward_service.commands.data_dir import data_dir_option
from runward_service.commands.progress import live_progress
from runward_service.commands.receipt_key_option import receipt_key_option
from runward_service.governance.receipt_key_file import ReceiptKeyError, load
from runward_service.store.backup import BackupError, BackupSummary, back_up
from runward_service.store.backup import restore as restore_backup
from runward_service.store.database import Database, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command()
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path))
@data_dir_option
@receipt_key_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backup(destination: Path, data_dir: Path, receipt_key: Path | None, as_json: bool) -> None:
    """Copy the data to the new folder DEST, checked and as at one moment; servers go on meanwhile."""
    with live_progress(not as_json) as progress:
        database = Database(data_dir.absolute())
        summary = _refused(lambda: back_up(database, destination.absolute(), lambda: load(receipt_key), progress))
    _show("backed up", summary, destination, as_json)


@click.command()
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def restore(source: Path, data_dir: Path, as_json: bool) -> None:
    """Copy the backup SRC to the data folder, which must be empty or not there. Nothing is overwritten."""
    with live_progress(not as_json) as progress:
        summary = _refused(lambda: restore_backup(source.absolute(), Database(data_dir.absolute()), progress))
    _show("restored", summary, data_dir, as_json)


def _refused(work: Callable[[], BackupSummary]) -> BackupSummary:
    try:
        return work()
    except (BackupError, SchemaError, ReceiptKeyError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"it could not be copied: {error}") from error


def _show(done: str, summary: BackupSummary, folder: Path, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **dataclasses.asdict(summary)}))
        return
    images = f"{summary.image_files:,} files of large images"
    click.echo(f"{done}: {summary.jobs:,} jobs, {images}, {summary.size_bytes:,} bytes, in {folder}")
