"""Following jobs live: a bar for each on a terminal, a line for each change elsewhere."""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from runward.cli.exit_code import ExitCode
from runward.cli.job_view import job_line, update_line
from runward.cli.json_form import json_form
from runward.cli.text import plain
from runward.job import Job

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from runward.cli.session import Session
    from runward.client import Client
    from runward.job import Bookmark


class Follower:
    """Shows the changes of one or more jobs."""

    def __init__(self, session: Session, bars: Progress | None) -> None:
        self._session = session
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    async def follow(self, rw: Client, job_id: str, name: str, *, after_revision: int = 0) -> Job | None:
        """Watch a job to its end, showing each change, and give its last state; None where nothing came any more."""
        last = None
        async for job in rw.watch(job_id, after_revision=after_revision):
            last = job
            self.show(job, name)
        return last

    def show(self, job: Job, name: str) -> None:
        """Show one state of a job, under the name of its file, or its id where no file is known."""
        if self._session.json_output:
            named = {} if name == job.id else {"file": name}
            self._session.show(named | json_form(job), lambda: "")
            return
        if self._bars is None:
            self._session.out.print(plain(f"{name}  ") + update_line(job))
            return
        if job.id not in self._tasks:
            self._tasks[job.id] = self._bars.add_task(plain(name).plain, total=1.0, status="")
        task = self._tasks[job.id]
        fraction = job.progress.fraction if job.progress else 0.0
        message = job.progress.message if job.progress and not job.status.terminal else ""
        self._bars.update(
            task, completed=1.0 if job.status.terminal else fraction, status=plain(f"{job.status} {message}").plain
        )


async def show_updates(session: Session, updates: AsyncGenerator[Job | Bookmark, None]) -> ExitCode:
    """Show the changes of many jobs, a line each; bookmarks only with --json. Ends as the watch does, with an error."""
    async with aclosing(updates):
        async for update in updates:
            if isinstance(update, Job):
                session.show(json_form(update), partial(job_line, update))
            elif session.json_output:
                session.show({"bookmark": json_form(update)}, lambda: "")
    return ExitCode.DONE


@contextmanager
def follower(session: Session) -> Iterator[Follower]:
    """Give a Follower, with its bars on stderr where that is a terminal."""
    if not session.live:
        yield Follower(session, None)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[status]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=session.err) as bars:
        yield Follower(session, bars)
