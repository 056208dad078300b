"""Progress of a long command, live on a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def live_progress(shown: bool) -> Iterator[Callable[[str, int, int], None]]:
    """What a command tells how far it is: with what (such as "images"), how much is done, of how much (0: unknown).

    It is shown on stderr; nothing where that is no terminal, or where ``shown`` is false.
    """
    console = Console(stderr=True)
    if not (shown and console.is_terminal):
        yield lambda *_: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, description=f"{what} {done:,}", completed=done, total=total or None)

        yield tell
