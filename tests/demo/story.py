"""What the demo tells, scene by scene."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

import runward
from runward.cli.text import plain
from tests.demo.batch import run_batch
from tests.demo.envelopes import show_failure, show_refusal
from tests.demo.ledger import jobs_table, metrics_table, plugins_table
from tests.demo.results import results_table
from tests.demo.thumbnail import thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from runward import Client
    from tests.demo.claims import Claims
    from tests.demo.picture import Picture

PLUGINS = ("image_info", "barcode", "ocr")
SHOWN_JOBS = 7
SETUP_SECONDS = 60.0
READ_COLUMNS = 62
"""What the text beside a label's picture needs."""
LABEL_COLUMNS, LABEL_ROWS = (18, 36), 11


class NotReadyError(Exception):
    """A plugin cannot be used; the message tells why."""


async def tell(console: Console, address: str, pictures: Sequence[Picture], claims: Claims) -> None:
    """Tell the whole story through the client. Raises NotReadyError or RunwardError where it cannot go on."""
    async with runward.connect(address) as rw:
        scene(console, "The plugins", "Each runs in worker processes of its own.")
        await wait_for_plugins(rw, console)
        scene(console, "One call, one answer", 'job = await rw.analyze("ocr", "label.png")')
        for picture in pictures:
            if picture.label:
                await read_label(rw, console, picture, claims)
        scene(console, "A batch, watched live", "rw.submit(…), then async for update in rw.watch(job.id)")
        jobs = await run_batch(rw, console, pictures, PLUGINS, claims)
        scene(console, "What was found", "")
        console.print(results_table(console, pictures, jobs))
        scene(
            console, "When something is wrong", "Every error is an envelope with a type, a reason, a message, details."
        )
        await show_refusal(rw, console, claims)
        await show_failure(rw, console, pictures[0].path.read_bytes(), claims)
        scene(console, "What is kept", f"The newest {SHOWN_JOBS} jobs, and the plugins' counters, from SQLite.")
        await show_ledger(rw, console, claims, len(jobs))


def scene(console: Console, title: str, subtitle: str) -> None:
    """Open a scene."""
    console.print()
    console.rule(Text(title, style="bold cyan"), align="left", style="cyan")
    if subtitle:
        console.print(Text(f"  {subtitle}", style="dim"))


async def wait_for_plugins(rw: Client, console: Console) -> None:
    """Wait until the plugins have loaded their libraries and models, and show them. Raises NotReadyError."""
    with console.status("  loading models"):
        end = asyncio.get_running_loop().time() + SETUP_SECONDS
        plugins = [await rw.plugin(name) for name in PLUGINS]
        while any(plugin.state == "LOADED" for plugin in plugins) and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.05)
            plugins = [await rw.plugin(name) for name in PLUGINS]
    console.print(plugins_table(plugins))
    for plugin in plugins:
        if plugin.state != "INITIALIZED":
            raise NotReadyError(f"The plugin {plugin.name} is {plugin.state}. {plugin.state_reason}")


async def read_label(rw: Client, console: Console, picture: Picture, claims: Claims) -> None:
    """Read one drawn label, and check that what is read is what was drawn."""
    label = picture.label
    assert label is not None
    with console.status(f"  reading {picture.name}"):
        page, codes = await asyncio.gather(rw.analyze("ocr", picture.path), rw.analyze("barcode", picture.path))
    text = str((page.result or {})["text"])
    contents = [str(code["text"]) for code in (codes.result or {})["codes"]]
    read = Table(box=None, show_header=False, pad_edge=False)
    read.add_column(style="dim", no_wrap=True)
    read.add_column(overflow="fold")
    read.add_row("picture", Text(picture.name, style="bold"))
    read.add_row("recognised text", plain(text, "green"))
    read.add_row("QR code's content", plain("\n".join(contents), "magenta"))
    layout = Table.grid(padding=(0, 3))
    if console.color_system is None:
        layout.add_row(read)
    else:
        columns = min(max(console.width - READ_COLUMNS, LABEL_COLUMNS[0]), LABEL_COLUMNS[1])
        layout.add_row(thumbnail(picture.path, columns, LABEL_ROWS), read)
    console.print(Padding(layout, (1, 2, 0, 2)))
    claims.equal(f"the recognised text of {picture.name} is what was drawn", text.splitlines(), list(label.lines))
    claims.equal(f"the QR code of {picture.name} holds what was drawn", contents, [label.code])


async def show_ledger(rw: Client, console: Console, claims: Claims, batch_size: int) -> None:
    """Show the newest jobs and the counters, and check that they add up."""
    jobs = [job async for job in rw.list()]
    console.print(jobs_table(list(itertools.islice(jobs, SHOWN_JOBS))))
    plugins = await rw.plugins()
    console.print(metrics_table(plugins))
    good = sum(plugin.metrics.success_count for plugin in plugins)
    bad = sum(plugin.metrics.error_count for plugin in plugins)
    counted = (sum(job.status == "SUCCESS" for job in jobs), sum(job.status == "FAILED" for job in jobs))
    claims.equal(f"the plugins' counters and the {len(jobs)} stored jobs agree", (good, bad), counted)
    claims.check("every job of the batch is among them", holds=len(jobs) >= batch_size, found=len(jobs))
