"""The option that names the data folder."""

from __future__ import annotations

from pathlib import Path

import click

data_dir_option = click.option(
    "--data-dir",
    envvar="RUNWARD_DATA_DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runward-data"),
    show_default=True,
    help="Where jobs and images are kept.",
)
