"""Files that runs give back: stored with the job's end, listed in it, downloadable, gone with it."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.artifact import MAX_ARTIFACT_BYTES, MAX_ARTIFACTS, Artifact
from runward_service.domain.clock import now_us
from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS
from runward_service.domain.verification import Verdict
from runward_service.store.images import INLINE_BYTES
from runward_service.store.job_reader import JobQuery
from tests.harness.service import PNG, alter, analyze, changes, ended, query, refusal, result_of, submit

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Echo", "Giver", "LateGiver")
OCTETS = "application/octet-stream"
LARGE = INLINE_BYTES + 1


def picture(last: int) -> bytes:
    """A picture that is nowhere else, of which the giver takes the last byte."""
    return PNG + os.urandom(30) + bytes([last])


def artifact(name: str, data: bytes) -> Artifact:
    """What a job lists of a file."""
    return Artifact(name, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), OCTETS)


async def downloaded(service: Service, digest: str) -> bytes:
    """A blob's bytes."""
    return b"".join([chunk async for chunk in service.transfer.download(ANONYMOUS, digest, 0)])


def files(service: Service) -> set[Path]:
    """The files among the images."""
    return {path for path in service.database.images.rglob("*") if path.is_file()}


def stored(service: Service) -> tuple[Any, ...]:
    """All that is stored of blobs."""
    return query(service, "SELECT digest FROM image"), query(service, "SELECT * FROM job_artifact"), files(service)


def giving(files: dict[str, int], **options: Any) -> dict[str, Any]:
    """The options of a run that gives files back, by name and size."""
    return {"files": list(files.items()), **options}


@pytest.mark.parametrize("how", ["analyze", "submit"])
async def test_a_job_lists_what_its_run_gave(service: Service, how: str) -> None:
    """In the run's order, small and large ones; so do GetJob, a list and a watch; each can be downloaded."""
    given = {"b.bin": 10, "a.bin": LARGE, "C-1_x.y": 3_000_000}
    job = await (analyze if how == "analyze" else submit)(service, "giver", giving(given), image=picture(7))
    if how == "submit":
        assert job.artifacts == ()
        job = await ended(service, job.id)
    expected = tuple(artifact(name, b"\7" * size) for name, size in given.items())
    assert job.artifacts == expected
    assert (await service.analysis.get_job(job.id, ANONYMOUS)).artifacts == expected
    page = await service.analysis.list_jobs(JobQuery("default", "giver"), 1, 0)
    assert page.jobs[0].artifacts == expected
    watched = [change.artifacts async for change in changes(service, job.id)]
    assert watched == [()] * (len(watched) - 1) + [expected]
    for one, size in zip(expected, given.values(), strict=True):
        assert await downloaded(service, one.digest) == b"\7" * size


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"../x": 1}, "name"),
        ({".x": 1}, "name"),
        ({"a/b": 1}, "name"),
        ({"": 1}, "name"),
        ({"x" * 101: 1}, "name"),
        ({"x\n": 1}, "name"),
        ({"x": 1, "X": 1}, "already"),
        ({f"{number}": 1 for number in range(MAX_ARTIFACTS + 1)}, "at most 32 artifacts"),
        ({"x": MAX_ARTIFACT_BYTES, "y": 1}, "bytes together"),
        ({"x": 0}, "at least one byte"),
    ],
)
async def test_what_breaks_a_rule(service: Service, given: dict[str, Any], words: str) -> None:
    """The run fails as one that raised; nothing of what it gave is kept."""
    await analyze(service, "echo")
    before = stored(service)
    job = await analyze(service, "giver", giving(given))
    assert job.error is not None
    assert job.error.reason is ErrorReason.PLUGIN_RAISED
    ((traceback,),) = query(
        service, "SELECT traceback FROM job_traceback JOIN job ON job.seq = job_seq WHERE id = ?", job.id
    )
    assert words in traceback
    assert stored(service) == before


@pytest.mark.parametrize(("end", "reason"), [("raise", "PLUGIN_RAISED"), ("exit", "WORKER_LOST")])
async def test_a_failed_run_gives_nothing(service: Service, end: str, reason: str) -> None:
    """Whatever it had given before it failed."""
    before = files(service)
    job = await analyze(service, "giver", giving({"a.bin": 5, "b.bin": LARGE}, end=end), image=picture(8))
    assert job.error is not None
    assert (job.error.reason.name, job.artifacts) == (reason, ())
    assert (await service.analysis.get_job(job.id, ANONYMOUS)).artifacts == ()
    assert files(service) == before


async def test_a_run_that_leaves_a_process_behind(service: Service) -> None:
    """Its worker is ended, and what it gave is there."""
    job = await analyze(service, "giver", giving({"a.bin": LARGE}, end="leave a process"), image=picture(9))
    assert job.artifacts == (artifact("a.bin", b"\x09" * LARGE),)


async def test_a_run_that_is_over_gives_nothing(service: Service) -> None:
    """A thread that lives on learns that its run takes none any more; the next run does not get them."""
    first = await analyze(service, "late_giver")
    second = await analyze(service, "late_giver")
    assert result_of(first)["problem"] == ""
    assert "over" in result_of(second)["problem"]
    assert (first.artifacts, second.artifacts) == ((), ())


@pytest.mark.parametrize("size", [100, LARGE])
async def test_they_are_erased_with_their_job(service: Service, size: int) -> None:
    """Unless another job has the same one; then with that."""
    data = picture(10 + (size == LARGE))
    one, other = [
        await analyze(service, "giver", giving({f"{name}.bin": size}), image=data, skip_cache=True)
        for name in ("a", "b")
    ]
    digest = one.artifacts[0].digest
    assert other.artifacts[0].digest == digest
    await service.analysis.delete(one.id, ANONYMOUS)
    assert len(await downloaded(service, digest)) == size
    await service.analysis.delete(other.id, ANONYMOUS)
    assert (await refusal(downloaded(service, digest))).reason is ErrorReason.BLOB_UNKNOWN
    assert query(service, "SELECT count(*) FROM image WHERE digest = ?", digest) == [(0,)]
    part = data[-1:] * 50
    found = [path for path in service.database.folder.rglob("*") if path.is_file() and part in path.read_bytes()]
    assert found == []


async def test_one_that_is_an_image_too(service: Service) -> None:
    """A blob is a blob: what a run gave back can be run on, and stays as long as any job has it."""
    job = await analyze(service, "giver", giving({"a.bin": LARGE}), image=picture(12))
    digest = job.artifacts[0].digest
    on_it = await analyze(service, "giver", giving({"b.bin": 3}), image=b"", image_digest=digest, mime_type=OCTETS)
    await service.analysis.delete(job.id, ANONYMOUS)
    assert await downloaded(service, digest) == b"\x0c" * LARGE
    assert on_it.artifacts == (artifact("b.bin", b"\x0c" * 3),)


async def test_an_equal_job_lists_the_same(service: Service) -> None:
    """The output of one run stands for an equal job, its artifacts too, whether it is kept or under way."""
    image, given = picture(13), {"a.bin": 10, "b.bin": LARGE}
    one, other = await asyncio.gather(*(analyze(service, "giver", giving(given), image=image) for _ in range(2)))
    later = await analyze(service, "giver", giving(given), image=image)
    assert sorted([one.cached, other.cached, later.cached]) == [False, True, True]
    assert one.artifacts == other.artifacts == later.artifacts
    assert len(later.artifacts) == 2
    for job in (one, other):
        await service.analysis.delete(job.id, ANONYMOUS)
    assert (await service.analysis.get_job(later.id, ANONYMOUS)).artifacts == later.artifacts
    assert await downloaded(service, later.artifacts[1].digest) == b"\x0d" * LARGE


async def test_a_verification_compares_them(service: Service) -> None:
    """A run that gives back other files diverges, and the place is told."""
    job = await analyze(service, "giver", giving({"a.bin": 10, "b.bin": 20}), image=picture(14), skip_cache=True)
    assert (await service.analysis.verify(job.id, ANONYMOUS)).verdict is Verdict.REPRODUCIBLE
    alter(
        service,
        "UPDATE job_artifact SET name = 'c.bin' WHERE name = 'b.bin' AND job_seq = (SELECT seq FROM job WHERE id = ?)",
        job.id,
    )
    found = await service.analysis.verify(job.id, ANONYMOUS)
    assert (found.verdict, found.path) == (Verdict.DIVERGED, "$.artifacts[1].name")
    assert (found.recorded, found.observed) == ("c.bin", "b.bin")


async def test_they_expire_with_their_jobs(service: Service) -> None:
    """Retention removes them, rows and files; a job that is kept keeps its own."""
    gone = await analyze(service, "giver", giving({"a.bin": LARGE, "b.bin": 9}), image=picture(15), retention_us=1)
    kept = await analyze(service, "giver", giving({"a.bin": LARGE + 1}), image=picture(16))
    removed = await service.retention.collector.collect(service.retention.policy, now_us() + 1_000_000)
    assert (removed.jobs, removed.images) == (1, 3)
    for one in gone.artifacts:
        assert (await refusal(downloaded(service, one.digest))).reason is ErrorReason.BLOB_UNKNOWN
    assert await downloaded(service, kept.artifacts[0].digest) == b"\x10" * (LARGE + 1)
    named = {row[0] for row in query(service, "SELECT digest FROM image WHERE data IS NULL")}
    assert {f"sha256:{path.name}" for path in files(service)} == named
