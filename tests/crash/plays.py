"""How the lives of the crash matrix are played."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.domain.job import JobStatus
from tests.crash.point import Kind
from tests.crash.scene import IMAGE, LARGE_IMAGE

if TYPE_CHECKING:
    from tests.crash.scene import Scene

MILLISECOND_US = 1000
A_CENTURY_US = 100 * 365 * 86_400 * 1_000_000


async def analyze(scene: Scene, act: str = "hold", **fields: object) -> None:
    """Analyze, and let the run end once the job is seen RUNNING."""
    call = asyncio.ensure_future(scene.analyze("job", act, **fields))
    await scene.status("job", *list(JobStatus)[1:])
    scene.world.open_gate()
    await call


async def analyze_at_once(scene: Scene) -> None:
    """Analyze; creation, start and end share a commit."""
    await scene.analyze("job", "return")


async def analyze_fault(scene: Scene) -> None:
    """Analyze with a plugin that raises."""
    await analyze(scene, "raise")


async def analyzed_once(scene: Scene) -> None:
    """Have analyzed with a request id."""
    await analyze(scene, "return", request_id="once")


async def analyze_again(scene: Scene) -> None:
    """Analyze once more with the same request id."""
    await scene.analyze("job", "return", request_id="once")


async def hang_up(scene: Scene) -> None:
    """A caller hangs up while its job runs."""
    call = asyncio.ensure_future(scene.analyze("job", "hold"))
    await scene.began("job")
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call
    await scene.ended("job")


async def submit(scene: Scene) -> None:
    """Submit, to the end."""
    await scene.submit("job", "return")
    await scene.ended("job")


async def submit_error(scene: Scene) -> None:
    """Submit to a plugin that refuses."""
    await scene.submit("job", "refuse")
    await scene.ended("job")


async def submitted_once(scene: Scene) -> None:
    """Have submitted with a request id."""
    await scene.submit("job", "return", request_id="once")
    await scene.ended("job")


async def submit_again(scene: Scene) -> None:
    """Submit once more with the same request id."""
    await scene.submit("job", "return", request_id="once")


async def submit_large(scene: Scene) -> None:
    """Submit a large image."""
    await scene.submit("job", "hold", image=LARGE_IMAGE)


async def submit_uploaded(scene: Scene) -> None:
    """Upload a large blob, and submit a job that names it."""
    digest = await scene.upload(LARGE_IMAGE)
    await scene.submit("job", "hold", image=b"", image_digest=digest)


async def submit_uploaded_small(scene: Scene) -> None:
    """The same with a small one."""
    digest = await scene.upload(IMAGE)
    await scene.submit("job", "hold", image=b"", image_digest=digest)


async def give(scene: Scene) -> None:
    """A run gives a small and a large file back."""
    await scene.submit("job", "give")
    await scene.ended("job")


async def gave_and_uploaded(scene: Scene) -> None:
    """Have a finished job with files that its run gave back, and an uploaded blob that no job has."""
    await give(scene)
    await scene.upload(LARGE_IMAGE)


async def submit_batch(scene: Scene) -> None:
    """Submit three jobs at once."""
    await scene.submit_batch("job", "second", "third")


async def occupy(scene: Scene) -> None:
    """Have the plugin's only slot taken."""
    await scene.submit("first", "hold")
    await scene.began("first")


async def cancel_pending(scene: Scene) -> None:
    """Cancel a job that waits."""
    job = await scene.submit("job", "return")
    await scene.cancel("job", job.id)


async def cancel_running(scene: Scene) -> None:
    """Cancel a job that runs."""
    job = await scene.submit("job", "hold")
    await scene.began("job")
    await scene.cancel("job", job.id)


async def time_out(scene: Scene) -> None:
    """A run takes longer than its timeout."""
    await scene.submit("job", "hang", timeout_us=80 * MILLISECOND_US)
    await scene.ended("job")


async def lose_worker(scene: Scene) -> None:
    """A run takes its worker with it, once."""
    await scene.submit("job", "die once")
    await scene.ended("job")


async def lose_every_worker(scene: Scene) -> None:
    """Each run takes its worker with it."""
    await scene.submit("job", "die")
    await scene.ended("job")


async def expire(scene: Scene) -> None:
    """A job waits longer than its queue_timeout."""
    await scene.submit("job", "return", queue_timeout_us=30 * MILLISECOND_US)
    await scene.ended("job")


async def progress(scene: Scene) -> None:
    """A run reports progress."""
    await scene.submit("job", "report")
    await scene.until(
        lambda connection: connection.execute("SELECT 1 FROM job WHERE progress_fraction > 0").fetchone(), "progress"
    )
    scene.world.open_gate()
    await scene.ended("job")


async def queue_up(scene: Scene) -> None:
    """Have a job wait for the plugin's slot."""
    await occupy(scene)
    await scene.submit("job", "return")


async def disable(scene: Scene) -> None:
    """A plugin is disabled and enabled while a job waits for it."""
    await scene.service.catalog.disable("acting", "maintenance")
    await scene.service.catalog.enable("acting")


async def retry(scene: Scene) -> None:
    """Run a failed job's input again."""
    job = scene.world.acknowledgements()[0]
    await scene.retry("job", job.job_id)


async def finish_large(scene: Scene) -> None:
    """Have a finished job with a large image, and one with a small image."""
    await scene.submit("job", "return", image=LARGE_IMAGE)
    await scene.submit("other", "return")
    await scene.ended("job")
    await scene.ended("other")


async def delete(scene: Scene) -> None:
    """Erase a finished job."""
    job = scene.world.acknowledgements()[0]
    await scene.delete("job", job.job_id)


async def expire_finished(scene: Scene) -> None:
    """Remove what is over, a century later."""
    retention = scene.service.retention
    await retention.collector.collect(retention.policy, now_us() + A_CENTURY_US)


async def analyze_kept(scene: Scene) -> None:
    """Analyze with a plugin whose outputs are kept."""
    await scene.analyze("kept", "hold", plugin="acting_again")


async def kept_once(scene: Scene) -> None:
    """Have an output kept."""
    scene.world.open_gate()
    await analyze_kept(scene)


async def ask_again(scene: Scene) -> None:
    """Analyze and submit what has been answered before."""
    await scene.analyze("job", "hold", plugin="acting_again")
    await scene.submit("later", "hold", plugin="acting_again")
    await scene.ended("later")


async def delete_kept(scene: Scene) -> None:
    """Erase the job whose output is kept."""
    await scene.delete("kept", scene.world.acknowledgements()[0].job_id)


async def follow(scene: Scene) -> None:
    """Two callers ask for the same at the same time."""
    first = asyncio.ensure_future(scene.analyze("job", "hold", plugin="acting_again"))
    await scene.began("job")
    second = asyncio.ensure_future(scene.analyze("second", "hold", plugin="acting_again"))
    # RUNNING, unless it came between two attempts of the first: then it waits for the slot that the first one has.
    await scene.status("second", *JobStatus)
    scene.world.open_gate()
    await first
    await second


async def heartbeat(scene: Scene) -> None:
    """A worker is asked for signs of life, once."""
    await scene.passed(Kind.FROM_WORKER, "pong")


async def nothing(scene: Scene) -> None:
    """Only start and stop."""


async def full_house(scene: Scene) -> None:
    """Jobs in every state: running and waiting, of callers and submitted ones, one of them with a large image."""
    call = asyncio.ensure_future(scene.analyze("running call", "hold", plugin="acting_twice"))
    scene.calls.append(call)
    await scene.began("running call")
    await scene.submit("running", "hold", plugin="acting_twice", image=LARGE_IMAGE)
    await scene.began("running")
    call = asyncio.ensure_future(scene.analyze("waiting call", "return", plugin="acting_twice", request_id="x"))
    scene.calls.append(call)
    await scene.status("waiting call", JobStatus.PENDING)
    await scene.submit("waiting", "return", plugin="acting_twice")


async def settle(scene: Scene) -> None:
    """What was left behind comes to its end."""
    scene.world.open_gate()
    await scene.settle()
