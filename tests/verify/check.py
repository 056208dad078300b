"""One picture: run by a plugin, and verified."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward import RunwardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runward.client import Client
    from tests.verify.pictures import Picture

REPRODUCIBLE = "REPRODUCIBLE"


@dataclass(frozen=True, slots=True)
class Check:
    """What came of a picture. ``end`` is the job's status or the reason of its failure, ``verdict`` that of its
    verification, ``REFUSED`` where there was no job; ``told`` says more where it is not REPRODUCIBLE.
    """

    plugin: str
    kind: str
    picture: str
    end: str
    verdict: str
    told: str
    run_seconds: float
    verify_seconds: float


async def check(rw: Client, plugin: str, picture: Picture) -> Check:
    """Run a picture and verify the job, whether it succeeded or the plugin refused the picture."""
    start = time.monotonic()
    try:
        job = await rw.analyze(plugin, picture.data)
        job_id, end = job.id, job.status.value
    except RunwardError as error:
        if error.job_id is None:
            return Check(plugin, picture.kind, picture.name, error.reason, "REFUSED", str(error), 0.0, 0.0)
        job_id, end = error.job_id, error.reason
    middle = time.monotonic()
    found = await rw.verify(job_id)
    told = "" if found.verdict == REPRODUCIBLE else f"{found.path} {found.reason}".strip()
    times = middle - start, time.monotonic() - middle
    return Check(plugin, picture.kind, picture.name, end, found.verdict.value, told, *times)


async def check_all(
    rw: Client,
    plugins: Iterable[str],
    pictures: Iterable[Picture],
    at_once: int,
    on_check: Callable[[Check], None],
) -> list[Check]:
    """Check every picture with every plugin, so many at once; ``on_check`` hears of each as it comes."""
    work = [(plugin, picture) for plugin in plugins for picture in pictures]
    checks: list[Check] = []

    async def worker(left: Iterator[tuple[str, Picture]]) -> None:
        for plugin, picture in left:
            checks.append(await check(rw, plugin, picture))
            on_check(checks[-1])

    left = iter(work)
    await asyncio.gather(*(worker(left) for _ in range(at_once)))
    return checks
