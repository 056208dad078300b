"""Errors, as a caller gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.json import JSON
from rich.panel import Panel

import runward
from runward.cli.json_form import error_form

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rich.console import Console

    from runward import Client
    from tests.demo.claims import Claims


async def show_refusal(rw: Client, console: Console, claims: Claims) -> None:
    """Send a text that claims to be a picture; it is refused and nothing is stored."""
    before = [job.id async for job in rw.list()]
    error = await _error(rw.analyze("ocr", b"Dear Sir or Madam, I am a picture.", mime_type="image/png"))
    console.print(_panel(error, "A text file that says it is image/png: refused, nothing stored"))
    found = (error.type_name, error.reason) if error else None
    claims.equal("a text that says it is a picture was refused", found, ("ValidationError", "MIME_TYPE_MISMATCH"))
    claims.equal("the refused request left no job", [job.id async for job in rw.list()], before)


async def show_failure(rw: Client, console: Console, picture: bytes, claims: Claims) -> None:
    """Have a plugin fail; the job is kept with its error."""
    error = await _error(rw.analyze("fails", picture, options={"how": "plugin_error"}))
    console.print(_panel(error, "A plugin that raises: the job is FAILED and keeps its error"))
    found = (error.type_name, error.reason) if error else None
    claims.equal("a plugin's failure came as an envelope", found, ("PluginError", "PLUGIN_RAISED"))
    if error:
        job = await rw.get(error.job_id)
        kept = job.error.message if job.error else None
        claims.equal("its job is kept as FAILED, with the same error", (job.status, kept), ("FAILED", error.message))


async def _error(call: Awaitable[object]) -> runward.RunwardError | None:
    """Give the error that a call ends with; None when it went well."""
    try:
        await call
    except (runward.ValidationError, runward.PluginError, runward.ExecutionError) as error:
        return error
    return None


def _panel(error: runward.RunwardError | None, title: str) -> Panel:
    if error is None:
        return Panel("no error", title=title, title_align="left", border_style="red")
    code = f"gRPC status {error.code.name}" if error.code else ""
    body = JSON.from_data(error_form(error), indent=2).text
    body.no_wrap, body.overflow = False, "fold"
    return Panel(body, title=title, title_align="left", subtitle=code, subtitle_align="right", border_style="yellow")
