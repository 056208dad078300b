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
    saved: tuple[Path, ...] = ()
    """Where the files were saved that the run gave back."""

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

    async def alone(group: Sequence[Path]) -> list[Outcome]:
        return [await outcome_of(group[0], work(group[0]))]

    return await run_groups([[file] for file in files], alone, done, concurrency=concurrency)


async def run_groups(
    groups: Sequence[Sequence[Path]],
    work: Callable[[Sequence[Path]], Awaitable[list[Outcome]]],
    done: Callable[[Outcome], None],
    *,
    concurrency: int,
) -> list[Outcome]:
    """As run_batch, for work that is done on a group of files at once."""
    outcomes: dict[int, list[Outcome]] = {}

    async def worker(numbered: Iterator[tuple[int, Sequence[Path]]]) -> None:
        for index, files in numbered:
            outcomes[index] = await work(files)
            for outcome in outcomes[index]:
                done(outcome)

    numbered = iter(enumerate(groups))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(concurrency, len(groups))):
            tasks.create_task(worker(numbered))
    return [outcome for index in sorted(outcomes) for outcome in outcomes[index]]


def made_outcome(file: Path, answer: Job | RunwardError) -> Outcome:
    """Give the outcome of a file whose work gave a job, or an error instead of raising it."""
    return Outcome(file, error=answer) if isinstance(answer, RunwardError) else Outcome(file, job=answer)


async def outcome_of(file: Path, work: Awaitable[Job]) -> Outcome:
    """Wait for the work on a file."""
    try:
        return Outcome(file, job=await work)
    except RunwardError as error:
        return Outcome(file, error=error)
    except OSError as problem:
        message = f"cannot read {file}: {problem.strerror or problem}"
        return Outcome(file, error=ValidationError(message, reason="IMAGE_MISSING"))
