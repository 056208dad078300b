"""Verifier: runs a finished job again, in a fresh worker, and tells whether it ends the same."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobStatus
from runward_service.domain.verification import (
    ABSENT,
    REPRODUCIBLE,
    Verdict,
    Verification,
    unverifiable,
)
from runward_service.execution.scheduler import cancelled_error
from runward_service.execution.slot import Place
from runward_service.execution.whole_images import UNLIKE_IMAGE
from runward_service.runtime.result_codec import decode_result
from runward_service.runtime.result_difference import first_difference
from runward_service.runtime.run_control import RunControl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from runward_service.domain.artifact import Artifact
    from runward_service.domain.envelope import ErrorEnvelope
    from runward_service.domain.job import Job, Principal
    from runward_service.domain.outcome import Outcome
    from runward_service.execution.plugin_execution_service import PluginExecutionService
    from runward_service.execution.scheduler import Scheduler
    from runward_service.store.damaged_blobs import DamagedBlobs
    from runward_service.store.job_reader import SqliteJobReader
    from runward_service.store.verifications import SqliteVerifications

FOLLOWING = frozenset({ErrorReason.INPUT_REJECTED, ErrorReason.OUTPUT_INVALID, ErrorReason.PLUGIN_RAISED})
"""The failures that follow from what a plugin was given, and not from time, memory or the server."""
OTHER_CODE = "its plugin's code, or what that depends on, is not what it was"

logger = logging.getLogger(__name__)


class Verifier:
    """Verifies by the way of every run: a slot, ToolRunner, a worker. Only that the worker is fresh, and that the job
    stays as it is.
    """

    def __init__(
        self,
        plugins: PluginExecutionService,
        scheduler: Scheduler,
        reader: SqliteJobReader,
        verifications: SqliteVerifications,
        damaged: DamagedBlobs,
    ) -> None:
        """Run through the plugin service, in the scheduler's slots."""
        self._plugins = plugins
        self._scheduler = scheduler
        self._reader = reader
        self._verifications = verifications
        self._damaged = damaged

    async def verify(self, job_id: str, principal: Principal) -> Verification:
        """Run a finished job of the caller's tenant again. The end of the calling task ends the run.

        Raises GovernedError JOB_NOT_FOUND, JOB_STATUS_CONFLICT for a job that has not ended, QUEUE_FULL, DRAINING, or
        STORE_UNAVAILABLE.
        """
        job = await self._reader.get_job(job_id, principal.tenant)
        if not job.status.terminal:
            message = f"The job is {job.status.name}; only one that has ended can be verified."
            raise GovernedError(ErrorReason.JOB_STATUS_CONFLICT, message, {"status": job.status.name, "job_id": job.id})
        verification = await self._verified(job, lambda again: self._run(again, principal))
        await self.record(job, verification)
        return verification

    async def job(self, job_id: str) -> Job | None:
        """A job of any tenant; None where it is not there any more."""
        try:
            return await self._reader.get_job(job_id, None)
        except GovernedError:
            return None

    async def sample(self, job: Job, control: RunControl) -> Verification:
        """Run a finished job again, without a slot. What came of it tells nothing where ``control`` stopped it."""
        return await self._verified(job, lambda again: self._execute(again, control))

    async def record(self, job: Job, verification: Verification) -> None:
        """Store what a verification came to, and log a divergence. Raises GovernedError STORE_UNAVAILABLE."""
        description = self._plugins.description(job.plugin)
        if verification.verdict is Verdict.DIVERGED:
            place = f"at {verification.path}: {verification.reason}"
            logger.error("job %s of %s %s diverged %s", job.id, job.plugin, job.plugin_version, place)
            if description is not None and description.cacheable:
                logger.error("outputs of %s stand for no other runs until it has other code", job.plugin)
        code_digest = job.code_digest or (description.code_digest if description is not None else "")
        await self._verifications.record(job, code_digest, verification)

    async def _verified(self, job: Job, run: Callable[[Job], Awaitable[Outcome]]) -> Verification:
        if reason := self._obstacle(job):
            return unverifiable(reason)
        again = await self._verifications.with_input(job)
        if again is None:
            await self._damaged.examine(job.image.digest)
            return unverifiable("its image is not there any more")
        outcome = await run(again)
        failure = outcome.envelope.reason if outcome.envelope is not None else None
        if failure is ErrorReason.BLOB_CORRUPTED or failure in UNLIKE_IMAGE:
            found = await self._damaged.examine(job.image.digest)
            if found or failure is ErrorReason.BLOB_CORRUPTED:
                return unverifiable(f"its image is {'damaged' if found else 'not there any more'}")
        if is_other(outcome.code_digest, job):  # of the files on disk, which the fresh worker has loaded
            return unverifiable(OTHER_CODE)
        return await asyncio.to_thread(compared, job, outcome)

    def _obstacle(self, job: Job) -> str:
        """Why a run would tell nothing, empty where it would."""
        if job.error is not None and job.error.reason not in FOLLOWING:
            return f"it ended {job.error.reason.value}, which does not follow from its input"
        description = self._plugins.description(job.plugin)
        if description is None:
            return f"the plugin {job.plugin} cannot be run now"
        if not description.deterministic:
            return f"the plugin {job.plugin} does not say that it is deterministic"
        if description.version != job.plugin_version:
            return f"its plugin was {job.plugin_version}, and is {description.version} now"
        return OTHER_CODE if is_other(description.code_digest, job) else ""

    async def _run(self, job: Job, principal: Principal) -> Outcome:
        """Make the run that the job's end came of once more: with the same id and attempt, for a plugin sees both."""
        place = Place(job.plugin, (principal.tenant, principal.name), job.image.size_bytes)
        self._scheduler.enter(place)
        control = RunControl(fresh=True)
        run = asyncio.ensure_future(self._run_in_slot(job, control, place))
        try:
            return await asyncio.shield(run)
        except asyncio.CancelledError:
            # Not by cancelling the task, which might lose a slot that it has just been given.
            control.stop(cancelled_error("The verification was cancelled: its caller hung up."))
            await asyncio.wait([run])
            run.exception()  # looked at
            raise

    async def _run_in_slot(self, job: Job, control: RunControl, place: Place) -> Outcome:
        slot = await self._scheduler.slot(place, control)
        try:
            return await self._execute(job, control)
        finally:
            slot.free()

    async def _execute(self, job: Job, control: RunControl) -> Outcome:
        return await self._plugins.execute(job._replace(status=JobStatus.RUNNING), control)


def is_other(code_digest: str, job: Job) -> bool:
    """Whether that is the digest of other code than a job ran, as far as both are known."""
    return bool(code_digest and job.code_digest) and code_digest != job.code_digest


def compared(job: Job, outcome: Outcome) -> Verification:
    """What a run that was made again shows of a finished job."""
    if outcome.envelope is not None:
        return compared_failure(job.error, outcome.envelope)
    if job.error is not None:
        reason = f"it failed with {job.error.reason.value}, and did not fail again"
        return Verification(Verdict.DIVERGED, "$.error", described(job.error), reason=reason)
    recorded, observed = job.result or b"", outcome.result or b""
    try:
        found = None if recorded == observed else first_difference(decode_result(recorded), decode_result(observed))
    except ValueError:
        return unverifiable("its stored result is damaged")
    if found is not None:
        return Verification(Verdict.DIVERGED, found.path, found.recorded, found.observed, "the run gave another output")
    found = first_difference(listed(job.artifacts), listed(outcome.artifacts))
    if found is not None:
        path = f"$.artifacts{found.path.removeprefix('$')}"
        return Verification(Verdict.DIVERGED, path, found.recorded, found.observed, "the run gave other artifacts")
    return REPRODUCIBLE


def listed(artifacts: Sequence[Artifact]) -> list[dict[str, object]]:
    """What of artifacts follows from a run's input."""
    return [{"name": one.name, "digest": one.digest, "mime_type": one.mime_type} for one in artifacts]


def compared_failure(recorded: ErrorEnvelope | None, observed: ErrorEnvelope) -> Verification:
    """What a run that failed shows of a finished job; ``recorded`` is that job's error, if it failed."""
    if observed.reason not in FOLLOWING:
        return unverifiable(f"the run could not be made: {observed.reason.value}: {observed.message}")
    if recorded is None:
        reason = f"the run failed with {observed.reason.value}: {observed.message}"
        return Verification(Verdict.DIVERGED, "$.error", ABSENT, described(observed), reason)
    found = first_difference(described(recorded), described(observed))
    if found is None:
        return REPRODUCIBLE
    path = f"$.error{found.path.removeprefix('$')}"
    return Verification(Verdict.DIVERGED, path, found.recorded, found.observed, "the run failed in another way")


def described(envelope: ErrorEnvelope) -> dict[str, object]:
    """What of an error follows from a run's input."""
    return {"reason": envelope.reason.value, "message": envelope.message, "details": dict(envelope.details)}
