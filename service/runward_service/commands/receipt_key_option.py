"""The option that names the file of receipt keys."""

from __future__ import annotations

from pathlib import Path

import click

receipt_key_option = click.option(
    "--receipt-key",
    envvar="RUNWARD_RECEIPT_KEY",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    show_default="runward/receipt.key in $XDG_STATE_HOME or ~/.local/state",
    help="The keys of receipts, outside the data folder.",
)
