"""What a life is played with: the service, its caller, and eyes of its own on the database."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runward_service.bootstrap import build
from runward_service.config import Config
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import ANONYMOUS, JobMode, JobRequest, JobStatus
from runward_service.domain.plugin_state import PluginState

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.domain.job import Job
    from runward_service.service import Service
    from tests.crash.point import Kind
    from tests.crash.probe import Probe
    from tests.crash.world import World

CONNECT = sqlite3.connect
"""As it is before any instrument."""
IMAGE = b"\x89PNG\r\n\x1a\n and no more"
LARGE_IMAGE = IMAGE + bytes(300_000)
DEADLINE_SECONDS = 60.0
LOOK_SECONDS = 0.002
QUIET_LOOKS = 8
"""For longer together than a deferred write waits."""
TARGETS = ("acting:Acting", "acting:ActingTwice")
CACHEABLE = ("acting:ActingAgain",)


class StuckError(Exception):
    """What was waited for did not come."""


@dataclass
class Scene:
    """One process's part in a case."""

    world: World
    probe: Probe
    plugins: tuple[str, ...] = TARGETS[:1]
    service: Service = field(init=False)
    calls: list[asyncio.Future[Job]] = field(default_factory=list)
    """Callers that wait while the life goes on."""

    async def start(self) -> None:
        """Build and start the service; returns when all that this brings along is done."""
        config = Config(
            data_dir=self.world.data,
            receipt_key=self.world.receipt_key,
            workers=2,
            plugins=self.plugins,
            discover=False,
        )
        self.service = build(config)
        await self.service.start()
        while any(entry.state is PluginState.LOADED for entry in await self.service.registry.all_described()):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        await self.quiet()

    async def stop(self, grace: float = 0.0) -> None:
        """Stop the service cleanly. Raises StuckError where one of its tasks has failed."""
        await self.service.drain(grace)
        await self.service.close()
        await asyncio.gather(*self.calls, return_exceptions=True)
        if self.service.supervisor.failed.done():
            raise StuckError(f"{self.service.supervisor.failed.result()} failed")

    async def quiet(self) -> None:
        """Wait until nothing passes the probe any more and every worker that was started is up."""
        looks, before = 0, -1
        while looks < QUIET_LOOKS:
            await asyncio.sleep(LOOK_SECONDS)
            looks = looks + 1 if self.probe.passed == before and not self.probe.coming else 0
            before = self.probe.passed

    def request(self, name: str, act: str, mode: JobMode, **fields: Any) -> JobRequest:
        """A request for a run of a plugin of TARGETS."""
        fields = {"principal": ANONYMOUS, "plugin": "acting", "image": IMAGE, "mime_type": "image/png", **fields}
        return JobRequest(options={"act": act}, mode=mode, labels={"name": name}, **fields)

    async def submit(self, name: str, act: str, **fields: Any) -> Job:
        """Submit a job; it is acknowledged when this returns. While the plugin is unavailable, tries again."""
        request = self.request(name, act, JobMode.ASYNC, **fields)
        while True:
            try:
                job = await self.service.analysis.submit(request)
            except GovernedError as error:
                if error.reason is not ErrorReason.PLUGIN_UNAVAILABLE:
                    raise
                await asyncio.sleep(LOOK_SECONDS)
            else:
                self.world.acknowledge(name, job)
                return job

    async def submit_batch(self, *names: str) -> None:
        """Submit jobs in one batch, the last with a large image; all are acknowledged when this returns."""
        requests = [self.request(name, "return", JobMode.ASYNC) for name in names[:-1]]
        requests.append(self.request(names[-1], "return", JobMode.ASYNC, image=LARGE_IMAGE))
        for name, answer in zip(names, await self.service.analysis.submit_batch(requests), strict=True):
            if isinstance(answer, GovernedError):
                raise answer
            self.world.acknowledge(name, answer)

    async def analyze(self, name: str, act: str, **fields: Any) -> Job:
        """Analyze; acknowledged when this returns."""
        job = await self.service.analysis.analyze(self.request(name, act, JobMode.SYNC, **fields))
        self.world.acknowledge(name, job)
        return job

    async def upload(self, data: bytes) -> str:
        """Upload a blob, in two chunks, or what is missing of it; its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        transfer = self.service.transfer
        if not await transfer.is_kept(ANONYMOUS, digest, len(data)):
            async with transfer.uploading(ANONYMOUS, digest, len(data)) as upload:
                for chunk in (data[: len(data) // 2], data[len(data) // 2 :]):
                    await upload.append(chunk)
                await transfer.complete(ANONYMOUS, upload)
        return digest

    async def cancel(self, name: str, job_id: str) -> Job:
        """Cancel a job; acknowledged when this returns."""
        job = await self.service.analysis.cancel(job_id, ANONYMOUS)
        self.world.acknowledge(name, job)
        return job

    async def retry(self, name: str, job_id: str) -> Job:
        """Run a failed job's input again; acknowledged when this returns."""
        job = await self.service.analysis.retry(job_id, ANONYMOUS, "")
        self.world.acknowledge(name, job)
        return job

    async def delete(self, name: str, job_id: str) -> None:
        """Erase a finished job; acknowledged when this returns."""
        await self.service.analysis.delete(job_id, ANONYMOUS)
        self.world.acknowledge_erasure(name)

    async def passed(self, kind: Kind, name: str) -> None:
        """Wait until something has passed the probe. Raises StuckError."""
        await self.until(lambda _: self.probe.counts[kind, name, "after"], f"{kind} {name}")

    async def until(self, condition: Callable[[sqlite3.Connection], object], what: str) -> None:
        """Wait until something can be seen in the database. Raises StuckError."""
        end = time.monotonic() + DEADLINE_SECONDS
        connection = CONNECT(self.world.database)
        try:
            while not condition(connection):
                if time.monotonic() > end:
                    raise StuckError(f"in vain: {what}")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            connection.close()

    async def status(self, name: str, *statuses: JobStatus) -> None:
        """Wait until a job has one of some statuses."""

        def seen(connection: sqlite3.Connection) -> bool:
            sql = "SELECT status FROM job WHERE json_extract(labels, '$.name') = ?"
            row = connection.execute(sql, (name,)).fetchone()
            return row is not None and row[0] in statuses

        await self.until(seen, f"{name} {[status.name for status in statuses]}")

    async def ended(self, name: str) -> None:
        """Wait until a job has ended."""
        await self.status(name, JobStatus.SUCCESS, JobStatus.FAILED)

    async def began(self, name: str, attempt: int = 1) -> None:
        """Wait until the plugin has begun this attempt of a job, or a later one, and the job is seen RUNNING."""

        def seen(connection: sqlite3.Connection) -> bool:
            sql = "SELECT id FROM job WHERE json_extract(labels, '$.name') = ? AND status <> 1"
            row = connection.execute(sql, (name,)).fetchone()
            return row is not None and any(run[0] == row[0] and run[1] >= attempt for run in self.world.runs())

        await self.until(seen, f"attempt {attempt} of {name}")

    async def settle(self) -> None:
        """Wait until every job has ended."""
        await self.until(
            lambda connection: connection.execute("SELECT count(*) FROM job WHERE status < 3").fetchone() == (0,),
            "the end of every job",
        )
