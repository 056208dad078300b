"""runward info, health, governance, verify: ask about the server and what it did."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click
from rich.text import Text

from runward.cli.exit_code import ExitCode
from runward.cli.governance_view import governance_view
from runward.cli.json_form import json_form
from runward.cli.plugin_view import server_view
from runward.cli.session import Session, remote
from runward.cli.text import plain, status_text
from runward.cli.value_view import fields_view
from runward.enums import HealthStatus, Verdict

if TYPE_CHECKING:
    from runward.client import Client


@click.command()
@remote
async def info(rw: Client, session: Session) -> None:
    """Show what the server is and which limits it has."""
    found = await rw.server_info()
    session.show(json_form(found), lambda: server_view(found, session.server))


@click.command()
@click.argument("plugin", default="")
@remote
async def health(rw: Client, session: Session, *, plugin: str) -> ExitCode:
    """Ask whether the server, or one PLUGIN of it, is SERVING; the exit code is 1 when it is not."""
    status = await rw.health(plugin)
    service = f"runward.plugin.{plugin}" if plugin else ""
    name = plugin or session.server
    session.show(
        {"service": service, "status": str(status)}, lambda: Text.assemble(plain(name), " ", status_text(status))
    )
    return ExitCode.DONE if status is HealthStatus.SERVING else ExitCode.REFUSED


@click.command()
@remote
async def governance(rw: Client, session: Session) -> ExitCode:
    """Show what the server found when it checked its own code; the exit code is 1 when it may run no plugin."""
    report = await rw.governance_report()
    session.show(json_form(report), lambda: governance_view(report, session.server))
    return ExitCode.DONE if report.attestation.holds else ExitCode.REFUSED


@click.command()
@click.argument("job_id", metavar="JOB")
@remote
async def verify(rw: Client, session: Session, *, job_id: str) -> ExitCode:
    """Run a finished job again from its stored input and compare; the exit code is 1 unless it is REPRODUCIBLE."""
    found = await rw.verify(job_id)
    facts = dataclasses.asdict(found)
    session.show(json_form(found), lambda: fields_view({k: v for k, v in facts.items() if v not in ("", None)}))
    return ExitCode.DONE if found.verdict is Verdict.REPRODUCIBLE else ExitCode.REFUSED
