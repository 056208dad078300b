"""runward plugins: look at plugins, switch them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runward.cli.json_form import json_form
from runward.cli.plugin_view import plugin_view, plugins_table
from runward.cli.session import Session, remote

if TYPE_CHECKING:
    from runward.client import Client
    from runward.plugin import Plugin


@click.group()
def plugins() -> None:
    """Look at plugins, switch them."""


@plugins.command("list")
@remote
async def list_plugins(rw: Client, session: Session) -> None:
    """List all plugins, by name, with those that could not be loaded."""
    found = await rw.plugins()
    session.show({"plugins": json_form(found)}, lambda: plugins_table(found) if found else "no plugins")


@plugins.command("get")
@click.argument("name", metavar="PLUGIN")
@remote
async def get_plugin(rw: Client, session: Session, *, name: str) -> None:
    """Show one plugin: what it takes, its options, its limits, how it has done."""
    _show(session, await rw.plugin(name))


@plugins.command("enable")
@click.argument("name", metavar="PLUGIN")
@remote
async def enable_plugin(rw: Client, session: Session, *, name: str) -> None:
    """Take back a disable; the plugin's pending jobs run."""
    _show(session, await rw.enable(name))


@plugins.command("disable")
@click.argument("name", metavar="PLUGIN")
@click.option("--reason", default="", help="Why, for others to read.")
@remote
async def disable_plugin(rw: Client, session: Session, *, name: str, reason: str) -> None:
    """Make a plugin UNAVAILABLE until it is enabled, also over restarts; its pending jobs wait."""
    _show(session, await rw.disable(name, reason))


@plugins.command("reload")
@click.argument("name", metavar="PLUGIN")
@remote
async def reload_plugin(rw: Client, session: Session, *, name: str) -> None:
    """Load a plugin's code anew. Servers of this release do not offer it yet."""
    _show(session, await rw.reload(name))


def _show(session: Session, plugin: Plugin) -> None:
    session.show(json_form(plugin), lambda: plugin_view(plugin))
