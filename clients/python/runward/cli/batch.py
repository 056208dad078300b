"""Many files, some at a time: none stops the others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward.cli.exit_code import ExitCode, exit_code_of
from runward.enums import JobStatus
from runward.errors import RunwardError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from runward.job import Job


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one file: a job, or an error."""

    file: Path
    job: Job | None = None
    error: RunwardError | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that this file alone would give."""
        if self.error is not None:
            return exit_code_of(self.error)
        failed = self.job is not None and self.job.status is JobStatus.FAILED
        return ExitCode.REFUSED if failed else ExitCode.DONE


async def run_batch(
    files: Sequence[Path],
    work: Callable[[Path], Awaitable[Job]],
    done: Callable[[Outcome], None],
    *,
    concurrency: int,
) -> list[Outcome]:
    """Do the work on each file, `concurrency` at a time, and tell `done` of each outcome as it comes.

    Gives the outcomes in the files' order. When it is cancelled, so is the work in flight.
    """
    outcomes: dict[int, Outcome] = {}

    async def worker(numbered: Iterator[tuple[int, Path]]) -> None:
        for index, file in numbered:
            outcomes[index] = await _outcome(file, work)
            done(outcomes[index])

    numbered = iter(enumerate(files))
    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(files))):
            group.create_task(worker(numbered))
    return [outcomes[index] for index in sorted(outcomes)]


async def _outcome(file: Path, work: Callable[[Path], Awaitable[Job]]) -> Outcome:
    try:
        return Outcome(file, job=await work(file))
    except RunwardError as error:
        return Outcome(file, error=error)
    except OSError as problem:
        message = f"cannot read {file}: {problem.strerror or problem}"
        return Outcome(file, error=ValidationError(message, reason="IMAGE_MISSING"))
