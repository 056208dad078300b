"""Recovery: what a dead process left runs again or ends; what a living one holds is not touched."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason
from runward_service.domain.job import ANONYMOUS, JobStatus
from runward_service.store.owner_lock import OwnerLock, is_dead
from tests.harness.service import SAMPLES, alter, ended, history, query, running_service, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PENDING, RUNNING, SUCCESS, FAILED = JobStatus


class Victim:
    """A process with a service that can be told to begin jobs, and be killed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def begin(self, **jobs: tuple[str, str, dict[str, Any]]) -> None:
        """Begin jobs by name, each (mode, plugin, options); returns once all are on disk."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(jobs).encode() + b"\n")
        assert await self._process.stdout.readline() == b"stored\n"

    async def kill(self) -> None:
        """Kill it with SIGKILL and wait for its end."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def victim(folder: Path, *plugins: str) -> AsyncIterator[Victim]:
    """A process with a service on a data folder."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SAMPLES / "service_until_killed.py"),
        str(folder),
        *plugins,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SAMPLES)},
    )
    started = Victim(process)
    try:
        yield started
    finally:
        await started.kill()
        process.stdin.close()  # type: ignore[union-attr]
        process._transport.close()  # type: ignore[attr-defined]


def job_ids(service: Service) -> dict[str, str]:
    """The ids of the jobs by their request ids."""
    return dict(query(service, "SELECT request_id, id FROM job"))


async def test_after_a_kill(tmp_path: Path) -> None:
    """Pending jobs run; a running job runs again as the next attempt; one without attempts left and those of callers
    end FAILED with INTERRUPTED; the jobs of a process that lives stay as they are.
    """
    async with Stage() as stage, victim(tmp_path, "Puppet", "SinglePuppet") as dead:
        to = stage.options
        await dead.begin(running=("ASYNC", "puppet", to), caller=("SYNC", "puppet", to))
        visits = [await stage.enter(), await stage.enter()]
        await dead.begin(
            pending=("ASYNC", "puppet", to),
            waiting_caller=("SYNC", "puppet", to),
            last_attempt=("ASYNC", "single_puppet", to),
        )
        visits.append(await stage.enter())
        async with victim(tmp_path, "SinglePuppet") as alive:
            await alive.begin(foreign=("ASYNC", "single_puppet", to))
            foreign = await stage.enter()
            await alive.begin(foreign_caller=("SYNC", "single_puppet", to))
            await dead.kill()
            for visit in visits:
                await visit.gone()

            async with running_service(tmp_path, "Puppet") as service:
                ids = job_ids(service)
                again = [await stage.enter(), await stage.enter()]
                assert {(visit.job_id, visit.attempt) for visit in again} == {(ids["running"], 2), (ids["pending"], 1)}
                for visit in again:
                    visit.give()
                assert (await ended(service, ids["running"])).status is SUCCESS
                assert (await ended(service, ids["pending"])).status is SUCCESS
                assert history(service, ids["running"]) == [(PENDING, 0), (RUNNING, 1), (RUNNING, 2), (SUCCESS, 2)]

                for name, attempt in (("caller", 1), ("waiting_caller", 0), ("last_attempt", 1)):
                    job = await service.analysis.get_job(ids[name], ANONYMOUS)
                    assert job.error is not None, name
                    assert (job.status, job.attempt, job.error.reason) == (FAILED, attempt, ErrorReason.INTERRUPTED)
                    assert history(service, job.id)[-1] == (FAILED, attempt)
                assert stage.visits == 6

                assert query(service, "SELECT status, attempt FROM job WHERE id = ?", ids["foreign"]) == [(2, 1)]
                assert query(service, "SELECT status FROM job WHERE id = ?", ids["foreign_caller"]) == [(1,)]
                foreign.give()
                (await stage.enter()).give()
                assert query(service, "SELECT count(*) FROM owner") == [(2,)]
            assert len(list((tmp_path / "owners").glob("*.lock"))) == 1


async def test_a_second_death_uses_the_attempts_up(tmp_path: Path) -> None:
    """A job whose process was killed in each of its attempts ends INTERRUPTED, not run a third time."""
    async with Stage() as stage:
        async with victim(tmp_path, "Puppet") as first:
            await first.begin(unlucky=("ASYNC", "puppet", stage.options))
            visit = await stage.enter()
            await first.kill()
            await visit.gone()
        async with victim(tmp_path, "Puppet") as second:
            visit = await stage.enter()
            assert visit.attempt == 2
            await second.kill()
            await visit.gone()
        async with running_service(tmp_path, "Puppet") as service:
            job = await service.analysis.get_job(job_ids(service)["unlucky"], ANONYMOUS)
            assert job.error is not None
            assert (job.status, job.attempt, job.error.reason) == (FAILED, 2, ErrorReason.INTERRUPTED)
            assert history(service, job.id) == [(PENDING, 0), (RUNNING, 1), (RUNNING, 2), (FAILED, 2)]
            assert stage.visits == 2


async def test_a_cancel_that_death_overtook(tmp_path: Path) -> None:
    """A running job that was marked to be cancelled when its process died ends CANCELLED instead of running again."""
    async with Stage() as stage:
        async with victim(tmp_path, "Puppet") as dead:
            await dead.begin(marked=("ASYNC", "puppet", stage.options))
            visit = await stage.enter()
            await dead.kill()
            await visit.gone()
        async with running_service(tmp_path) as service:
            pass
        alter(service, "UPDATE job SET cancel_requested = 1, owner = 'dead', claimable = 0 WHERE request_id = 'marked'")
        async with running_service(tmp_path, "Puppet") as service:
            job = await service.analysis.get_job(job_ids(service)["marked"], ANONYMOUS)
            assert job.error is not None
            assert (job.status, job.error.reason) == (FAILED, ErrorReason.CANCELLED)
            assert stage.visits == 1


async def test_every_pending_job_survives(tmp_path: Path) -> None:
    """A hundred acknowledged jobs behind a busy plugin, then SIGKILL: all of them run, each once."""
    async with Stage() as stage:
        async with victim(tmp_path, "SinglePuppet", "Noop") as dead:
            await dead.begin(blocker=("ASYNC", "single_puppet", stage.options))
            visit = await stage.enter()
            await dead.begin(**{f"job-{number}": ("ASYNC", "single_puppet", stage.options) for number in range(100)})
            await dead.kill()
            await visit.gone()
        async with running_service(tmp_path, "SinglePuppet") as service:
            ids = job_ids(service)
            seen = []
            for _ in range(100):
                visit = await stage.enter()
                seen.append((visit.job_id, visit.attempt))
                visit.give()
            for name, job_id in ids.items():
                expected = FAILED if name == "blocker" else SUCCESS
                assert (await ended(service, job_id)).status is expected
            assert sorted(seen) == sorted((job_id, 1) for name, job_id in ids.items() if name != "blocker")
            assert stage.visits == 101


async def test_recovering_twice_changes_nothing(tmp_path: Path) -> None:
    """Recovery looks at owners that are proved dead alone; this process's own jobs are none of them."""
    async with Stage() as stage, running_service(tmp_path, "SinglePuppet") as service:
        job = await submit(service, "single_puppet", stage.options)
        visit = await stage.enter()
        before = query(service, "SELECT count(*) FROM job_event")
        await service.recovery.recover()
        assert query(service, "SELECT count(*) FROM job_event") == before
        visit.give()
        assert (await ended(service, job.id)).status is SUCCESS


async def test_what_unknown_dead_owners_left_is_removed(tmp_path: Path) -> None:
    """The lock file and the socket of an owner that died before it was stored are removed at the next start; the lock
    of one that lives and is not stored yet is not.
    """
    async with running_service(tmp_path):
        pass
    owners = tmp_path / "owners"
    (owners / "dead.lock").touch()
    (owners / "dead.sock").touch()
    living = OwnerLock(owners, "living")
    living.hold()
    async with running_service(tmp_path) as service:
        own = {f"{service.info.owner}.lock", f"{service.info.owner}.sock"}
        assert {path.name for path in owners.iterdir()} == {"living.lock"} | own
    living.release()
    assert list(owners.iterdir()) == []


async def test_a_lock_that_is_taken_for_a_dead_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a lock's file is removed between its making and its taking, it is made again: what is held can be seen."""
    lock = OwnerLock(tmp_path, "new")
    path = tmp_path / "new.lock"
    flock = fcntl.flock
    removed = []

    def remove_and_lock(descriptor: int, operation: int) -> None:
        if not removed:
            path.unlink()
            removed.append(path)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_and_lock)
    lock.hold()
    assert removed == [path]
    assert not is_dead(tmp_path, "new")
    lock.release()
