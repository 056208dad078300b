"""``runward admin audit`` and ``runward admin rotate-key``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runward_service.commands.data_dir import data_dir_option
from runward_service.commands.progress import live_progress
from runward_service.commands.receipt_key_option import receipt_key_option
from runward_service.domain.audit_report import Head
from runward_service.governance.receipt_key_file import ReceiptKeyError, load, rotate
from runward_service.store.audit import AuditError
from runward_service.store.audit import audit as audit_data
from runward_service.store.database import Database, SchemaError

if TYPE_CHECKING:
    from runward_service.domain.audit_report import AuditReport

HEAD_SCHEMA = "runward.head/1"
EXIT_CODES = {"WHOLE": 0, "BROKEN": 1, "UNVERIFIABLE": 5}
SHOWN_FINDINGS = 50
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@data_dir_option
@receipt_key_option
@click.option("--head", "head_file", type=FILE, metavar="FILE", help="Compare with an end that was exported before.")
@click.option("--export-head", "export_file", type=FILE, metavar="FILE", help="Write the end, if nothing is wrong.")
@click.option("--images", is_flag=True, help="Compare every image with its digest too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(  # noqa: PLR0917 - click passes each option by name
    data_dir: Path,
    receipt_key: Path | None,
    head_file: Path | None,
    export_file: Path | None,
    images: bool,
    as_json: bool,
) -> None:
    """Tell whether every finished job is as its receipt says, and whether the chain of receipts is whole."""
    database = Database(data_dir.absolute())
    if not database.path.is_file():
        raise click.ClickException(f"{data_dir} holds no data of a server")
    try:
        head = read_head(head_file) if head_file else None
        with live_progress(not as_json) as progress:
            report = audit_data(database, load(receipt_key), progress, head=head, images=images)
        if export_file and not report.finding_count:
            write_head(export_file, report.head)
    except (SchemaError, ReceiptKeyError, AuditError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"the data cannot be audited: {error}") from error
    text = json.dumps(report.as_dict()) if as_json else text_of(report)
    click.echo(text.encode(errors="backslashreplace"))  # what somebody wrote into the data may be no text
    raise SystemExit(EXIT_CODES[report.verdict])


@click.command("rotate-key")
@receipt_key_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate_key(receipt_key: Path | None, as_json: bool) -> None:
    """Add a new key to the file of receipt keys; servers that run sign with it within seconds."""
    try:
        keys = rotate(receipt_key)
    except ReceiptKeyError as error:
        raise click.ClickException(str(error)) from error
    key_id = keys.newest.id
    click.echo(
        json.dumps({"key_id": key_id}) if as_json else f"new key {key_id}: running servers sign with it within seconds"
    )


def read_head(path: Path) -> Head:
    """The end of a chain that was exported. Raises ClickException for what is none, or OSError."""
    try:
        told = json.loads(path.read_bytes())
        if told["schema"] == HEAD_SCHEMA:
            return Head(int(told["seq"]), bytes.fromhex(told["mac"]), str(told["key_id"]))
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"{path} is no exported head: {error}") from error
    raise click.ClickException(f"{path} is no exported head")


def write_head(path: Path, head: Head | None) -> None:
    """Write the end of a chain. Raises ClickException where the chain is empty, or OSError."""
    if head is None:
        raise click.ClickException("the chain is empty: no server has begun it")
    told = {"schema": HEAD_SCHEMA, "seq": head.seq, "mac": head.mac.hex(), "key_id": head.key_id}
    path.write_text(json.dumps(told) + "\n", encoding="ascii")


def text_of(report: AuditReport) -> str:
    """What was found, for a person."""
    lines = [finding.message for finding in report.findings[:SHOWN_FINDINGS]]
    if report.finding_count > len(lines):
        lines.append(f"… and {report.finding_count - len(lines):,} more; --json lists up to 1,000")
    for key_id, part in report.unverifiable.items():
        entries = f"{part.count:,} entries, {part.first} to {part.last},"
        lines.append(f"cannot be verified: {entries} were made with key {key_id}, which is not at hand")
    if report.jobs_before:
        lines.append(f"{report.jobs_before:,} jobs ended before there were receipts and have none")
    lines += report.notes
    if report.compacted_upto:
        lines.append(f"entries 1 to {report.compacted_upto} went with their jobs, by a checkpoint")
    images = f", {report.images:,} images" if report.images else ""
    found = f"{report.finding_count:,} findings" if report.finding_count else "nothing is wrong"
    lines.append(f"{report.entries:,} entries, {report.receipts:,} receipts{images}: {found}")
    return "\n".join(lines)
