"""runward blobs: upload, download and ask for what is missing."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

from runward.cli.exit_code import ExitCode, exit_code_of, worst
from runward.cli.json_form import error_form
from runward.cli.parameters import expand_files, named_path
from runward.cli.session import Session, remote
from runward.cli.text import plain, size
from runward.errors import RunwardError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runward.client import Client


@click.group()
def blobs() -> None:
    """Move blobs: images ahead of jobs, and files that runs gave back."""


@blobs.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, callback=expand_files)
@remote
async def upload(rw: Client, session: Session, *, files: tuple[Path, ...]) -> ExitCode:
    """Store each FILE (a file, a directory of images, or a pattern) and print its digest.

    What the server has already is not sent again, and an upload that broke off goes on where it was.
    """
    codes = []
    for file in files:
        try:
            with transfer_progress(session, file.name) as progress:
                digest = await rw.upload(file, progress=progress)
        except (RunwardError, OSError) as problem:
            error = problem if isinstance(problem, RunwardError) else unreadable(file, problem)
            if session.json_output:
                session.show({"file": str(file)} | error_form(error), lambda: plain(""))
            else:
                session.note(str(file))
                session.show_error(error)
            codes.append(exit_code_of(error))
        else:
            session.show({"file": str(file), "digest": digest}, lambda d=digest, f=file: plain(f"{d}  {f}"))  # type: ignore[misc]
            codes.append(ExitCode.DONE)
    return worst(codes)


@blobs.command()
@click.argument("digest")
@click.argument("file", callback=named_path)
@remote
async def download(rw: Client, session: Session, *, digest: str, file: Path) -> ExitCode:
    """Save the blob DIGEST as FILE, once all its bytes are verified; "-" writes it to standard output."""
    with transfer_progress(session, digest) as progress:
        data = await rw.download(digest, progress=progress)
    if str(file) == "-":
        click.echo(data, nl=False)
        return ExitCode.DONE
    try:
        await asyncio.to_thread(file.write_bytes, data)
    except OSError as problem:
        message = f"cannot write {file}: {problem.strerror or problem}"
        raise ValidationError(message, reason="FILE_NOT_SAVED") from None
    form = {"digest": digest, "file": str(file), "size_bytes": len(data)}
    session.show(form, lambda: plain(f"saved {file}, {size(len(data))}"))
    return ExitCode.DONE


@blobs.command()
@click.argument("digests", metavar="DIGEST...", nargs=-1, required=True)
@remote
async def missing(rw: Client, session: Session, *, digests: tuple[str, ...]) -> ExitCode:
    """Print those DIGESTs that the server lacks; the exit code is 1 where it lacks any."""
    found = await rw.missing(digests)
    if session.json_output or found:
        session.show({"missing_digests": found}, lambda: plain("\n".join(found)))
    return ExitCode.REFUSED if found else ExitCode.DONE


@contextmanager
def transfer_progress(session: Session, title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of bytes on stderr and give what moves it; nothing is shown where stderr is no terminal, or with
    --json.
    """
    if not session.live:
        yield lambda _done, _total: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=session.err, transient=True) as progress:
        task = progress.add_task(plain(title).plain, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


def unreadable(file: Path, problem: OSError) -> ValidationError:
    """Give the error of a file that cannot be read."""
    return ValidationError(f"cannot read {file}: {problem.strerror or problem}", reason="IMAGE_MISSING")
