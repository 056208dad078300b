"""The board on which a batch is watched: a picture a row, a plugin a column. Plain lines where there is no terminal."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from runward import JobStatus
from runward.cli.text import span, status_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType

    from runward import Job

REFRESHES = 12
"""A second."""


@dataclass(slots=True)
class Cell:
    """One job on the board: as it was last seen, and the statuses that its watcher saw, in order."""

    job: Job
    seen: list[str] = field(default_factory=list)


class Board:
    """The jobs of a batch, by picture and plugin."""

    def __init__(self, console: Console, pictures: Sequence[str], plugins: Sequence[str]) -> None:
        """Start empty, with a row for each picture and a column for each plugin."""
        self._console = console
        self._pictures = pictures
        self._plugins = plugins
        self._spinner = Spinner("dots", style="cyan")
        self.cells: dict[tuple[str, str], Cell] = {}

    def update(self, picture: str, job: Job) -> None:
        """Take a job as its watcher sees it now."""
        cell = self.cells.setdefault((picture, job.plugin), Cell(job))
        cell.job = job
        if job.status not in cell.seen[-1:]:
            cell.seen.append(job.status)
        if job.status.terminal and not self._console.is_terminal:
            way = " → ".join(cell.seen)
            self._console.print(f"  {job.plugin:<11} {picture:<17} {way:<29} {run_time(job):>7}", soft_wrap=True)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the board, live, while the block runs; it stays on the screen as it is at the end."""
        if not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._render, console=self._console, refresh_per_second=REFRESHES):
            yield

    def _render(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=True, padding=(0, 2))
        table.add_column("picture", style="bold", min_width=17)
        for plugin in self._plugins:
            table.add_column(plugin, min_width=14)
        for picture in self._pictures:
            table.add_row(picture, *(self._cell(picture, plugin) for plugin in self._plugins))
        ended = sum(cell.job.status.terminal for cell in self.cells.values())
        total = len(self._pictures) * len(self._plugins)
        bar = Table.grid(padding=(0, 2))
        bar.add_row("  ended", ProgressBar(total, ended, width=40, complete_style="green"), f"{ended} of {total}")
        return Group(table, bar)

    def _cell(self, picture: str, plugin: str) -> RenderableType:
        cell = self.cells.get((picture, plugin))
        if cell is None:
            return ""
        job = cell.job
        match job.status:
            case JobStatus.PENDING:
                return Text("· pending", style="yellow")
            case JobStatus.RUNNING:
                fraction = job.progress.fraction if job.progress else 0.0
                self._spinner.update(text=Text(f"running {fraction:4.0%}", style="cyan"))
                return Text.assemble(self._spinner.render(self._console.get_time()))  # type: ignore[arg-type]
            case JobStatus.SUCCESS:
                return Text.assemble(("✓", "bold green"), f" {run_time(job)}")
        return status_text(job.status)


def run_time(job: Job) -> str:
    """How long a job ran."""
    return span(job.end_time - job.start_time) if job.end_time and job.start_time else ""
