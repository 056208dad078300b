"""A batch of jobs: submitted together, each watched to its end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from tests.demo.board import Board

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from runward import Client, Job
    from tests.demo.claims import Claims
    from tests.demo.picture import Picture

OPTIONS = {"ocr": {"min_confidence": 0.9}}
"""In photographs without text, what looks a little like a letter is left out."""
WATCH_SECONDS = 120.0


async def run_batch(
    rw: Client, console: Console, pictures: Sequence[Picture], plugins: Sequence[str], claims: Claims
) -> dict[tuple[str, str], Job]:
    """Submit every picture to every plugin and watch; the ended jobs by picture and plugin."""
    board = Board(console, [picture.name for picture in pictures], plugins)
    with board.shown():
        jobs = await asyncio.gather(
            *(_submit(rw, board, picture, plugin) for picture in pictures for plugin in plugins)
        )
        await asyncio.gather(*(_watch(rw, board, job) for job in jobs))
    cells = board.cells
    ways = {"→".join(cell.seen) for cell in cells.values()}
    claims.equal(
        f"all {len(jobs)} jobs were watched from PENDING over RUNNING to SUCCESS", ways, {"PENDING→RUNNING→SUCCESS"}
    )
    return {place: cell.job for place, cell in cells.items()}


async def _submit(rw: Client, board: Board, picture: Picture, plugin: str) -> Job:
    job = await rw.submit(plugin, picture.path, options=OPTIONS.get(plugin), labels={"picture": picture.name})
    board.update(picture.name, job)
    return job


async def _watch(rw: Client, board: Board, job: Job) -> None:
    async with aclosing(rw.watch(job.id, deadline=WATCH_SECONDS)) as updates:
        async for update in updates:
            board.update(job.labels["picture"], update)
