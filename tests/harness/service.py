"""The built service without its port, and what its callers ask for."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import Struct

from runward_service.bootstrap import build
from runward_service.config import Config
from runward_service.domain.job import ANONYMOUS, JobMode, JobRequest, JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from google.protobuf.struct_pb2 import Value

    from runward_service.domain.errors import GovernedError
    from runward_service.domain.job import Job
    from runward_service.service import Service

SAMPLES = Path(__file__).parents[1] / "samples"
VARIABLES = ("FRAIL_FILE", "MOODY_FILE", "MORTAL_FILE", "SLEEPER_FILE", "SLOWCOACH_FILE")
"""What sample plugins read of their environment."""
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
"""A picture of one pixel."""
JPEG_HEAD = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(20)


@asynccontextmanager
async def running_service(folder: Path, *plugins: str, workers: int = 4, **settings: Any) -> AsyncIterator[Service]:
    """The service of production on a data folder, with some of the sample plugins; a clean stop follows."""
    os.environ["PYTHONPATH"] = str(SAMPLES)  # of the workers
    targets = tuple(plugin if ":" in plugin else f"sample_plugins:{plugin}" for plugin in plugins)
    settings.setdefault("worker_variables", VARIABLES)
    config = Config(data_dir=folder, workers=workers, plugins=targets, discover=False, **settings)
    service = build(config)
    await service.start()
    try:
        yield service
    finally:
        await service.drain(0)
        await service.close()
    assert not service.supervisor.failed.done(), service.supervisor.failed


def job_request(
    plugin: str,
    options: dict[str, Any] | None = None,
    *,
    mode: JobMode = JobMode.SYNC,
    image: Any = PNG,
    mime_type: Any = "image/png",
    **fields: Any,
) -> JobRequest:
    """What a caller asks for, with defaults that every sample plugin takes."""
    fields.setdefault("principal", ANONYMOUS)
    return JobRequest(plugin, image, mime_type, options or {}, mode, **fields)


async def analyze(service: Service, plugin: str, options: dict[str, Any] | None = None, **fields: Any) -> Job:
    """Analyze, as the servicer calls it."""
    return await service.analysis.analyze(job_request(plugin, options, mode=JobMode.SYNC, **fields))


async def submit(service: Service, plugin: str, options: dict[str, Any] | None = None, **fields: Any) -> Job:
    """Submit, as the servicer calls it."""
    return await service.analysis.submit(job_request(plugin, options, mode=JobMode.ASYNC, **fields))


async def submit_batch(service: Service, *requests: JobRequest) -> list[Job | GovernedError]:
    """Submit many, as the servicer calls it."""
    return await service.analysis.submit_batch(requests)


async def changes(service: Service, job_id: str, after: int = 0) -> AsyncGenerator[Job, None]:
    """What a watch of a job sends."""
    async with aclosing(service.analysis.watch_job(job_id, ANONYMOUS, after)) as updates:
        async for update in updates:
            yield update.job


async def ended(service: Service, job_id: str) -> Job:
    """Watch a job to its end."""
    last = None
    async for job in changes(service, job_id):
        last = job
    assert last is not None
    assert last.status.terminal
    return last


async def ready(service: Service, plugin: str) -> None:
    """Wait until a worker of a plugin has come up."""
    changed = asyncio.Event()
    service.registry.listen(lambda _: changed.set())
    while not (await service.registry.resolve(plugin)).well:
        await changed.wait()
        changed.clear()


async def turns_until(condition: Callable[[], bool]) -> None:
    """Give the loop turns until a condition holds: for what the service does by itself, waiting for nothing outside."""
    while not condition():  # noqa: ASYNC110 - turns of the loop, not a time
        await asyncio.sleep(0)


async def refusal(call: Awaitable[object]) -> GovernedError:
    """The error that a call is refused with."""
    from runward_service.domain.errors import GovernedError  # noqa: PLC0415 - a type elsewhere

    try:
        answer = await call
    except GovernedError as error:
        return error
    raise AssertionError(f"it was not refused, but answered {answer!r}")


def query(service: Service, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Read the database over a connection of the test's own: what any other process would see."""
    with closing(sqlite3.connect(service.database.path)) as connection:
        return connection.execute(sql, parameters).fetchall()


def alter(service: Service, sql: str, *parameters: Any) -> None:
    """Change the database over a connection of the test's own, as only an operator's hand could."""
    with closing(sqlite3.connect(service.database.path)) as connection, connection:
        assert connection.execute(sql, parameters).rowcount == 1


@asynccontextmanager
async def held_writer(service: Service) -> AsyncIterator[None]:
    """For as long as the block lasts, nothing is written."""
    entered, leave = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(_: object) -> None:
        loop.call_soon_threadsafe(entered.set)
        leave.wait()

    held = service.writer.submit(hold)
    await entered.wait()
    try:
        yield
    finally:
        leave.set()
        await held


def history(service: Service, job_id: str) -> list[tuple[JobStatus, int]]:
    """The (status, attempt) of each stored event of a job that is not a progress report, in order."""
    rows = query(
        service,
        "SELECT e.status, e.attempt FROM job_event e JOIN job j ON j.seq = e.job_seq "
        "WHERE j.id = ? AND e.progress_fraction IS NULL ORDER BY e.revision",
        job_id,
    )
    return [(JobStatus(status), attempt) for status, attempt in rows]


def result_of(job: Job) -> dict[str, Any]:
    """A job's result as a client reads it."""
    assert job.result is not None, job.error
    return {key: _python(value) for key, value in Struct.FromString(job.result).fields.items()}


def _python(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {key: _python(item) for key, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_python(item) for item in value.list_value.values]
    return None if kind == "null_value" else getattr(value, kind)
