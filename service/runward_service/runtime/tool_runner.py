"""ToolRunner: the one way to run a plugin. It validates, runs, measures, and wraps every failure in an envelope."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runward_service.domain.blob_errors import blob_corrupted
from runward_service.domain.clock import now_us
from runward_service.domain.envelope import ErrorEnvelope, envelope_of
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.outcome import Outcome
from runward_service.plugins.guard import Permit
from runward_service.runtime.result_codec import validate_encoded
from runward_service.runtime.validation import validate_output

if TYPE_CHECKING:
    from runward_service.domain.image import StoredImage
    from runward_service.domain.job import Job
    from runward_service.domain.receipt_signer import ReceiptSigner
    from runward_service.domain.run_reply import RunReply
    from runward_service.plugins.base import Payload, Plugin, RunContext
    from runward_service.plugins.registry import PluginEntry, PluginRegistry
    from runward_service.runtime.result_cache import ResultCache
    from runward_service.runtime.run_control import RunControl
    from runward_service.runtime.worker_pool import WorkerPool

logger = logging.getLogger(__name__)


class ToolRunner:
    """Two halves: ``run`` governs an attempt from the service, ``run_plugin`` makes it in the worker."""

    def __init__(self, registry: PluginRegistry, pool: WorkerPool, cache: ResultCache, signer: ReceiptSigner) -> None:
        """Keep the states of the registry's plugins, run them in the pool's workers where the cache has no output that
        stands for a run's, sign what jobs come to.
        """
        self._cache = cache
        self._registry = registry
        self._pool = pool
        self._signer = signer

    async def run(self, job: Job, control: RunControl) -> Outcome:
        """Make one attempt of a RUNNING job and say what it came to. Never raises for a failure of the attempt."""
        start_us = now_us()
        began = False
        reply: RunReply | None = None
        result: bytes | None = None
        digest = code_digest = ""
        envelope: ErrorEnvelope | None = None
        retryable = False
        try:
            control.check()
            entry = self._registry.get(job.plugin)
            self._validate_input(entry, job)
            code_digest = entry.description.code_digest if entry.description else ""
            reply = await self._cache.answer(entry, job, control)
            if reply is None:
                self._registry.begin_run(job.plugin)
                began = True
                reply = await self._pool.run(entry, job, control)
            validate_encoded(reply.result)
            result, digest, code_digest = reply.result, reply.output_digest, reply.code_digest
        except GovernedError as error:
            envelope = envelope_of(error, plugin=job.plugin, time_us=now_us())
            retryable = error.retryable
        except Exception as error:  # noqa: BLE001 - a fault of ours still ends the job, with an envelope
            envelope = internal_envelope(error, job)
        finally:
            self.update_execution_metrics(job.plugin, began=began, succeeded=result is not None)
            self._cache.end(job, control, reply if result is not None else None)
        end_us = now_us()
        took_us = max(end_us - start_us, 0)
        outcome = Outcome(
            job.id,
            job.attempt,
            job.plugin,
            end_us,
            took_us,
            began,
            result,
            digest,
            envelope,
            retryable,
            reply.artifacts if reply is not None and result is not None else (),
            cached=result is not None and not began,
            cache_key=control.cache_key,
            code_digest=code_digest if began or result is not None else "",
        )
        return self._signed(outcome, job)

    def answerable(self, job: Job, control: RunControl) -> bool:
        """Whether a job that is to wait for its turn needs none: ``run`` will have an equal one's output for it."""
        entry = self._registry.described(job.plugin)
        return entry is not None and self._cache.answerable(entry, job, control)

    def stored(self, job: Job, control: RunControl) -> None:
        """The end of a job that ``run`` was called for is in the store, or could not be stored."""
        self._cache.stored(job, control)

    def end_without_run(self, job: Job, error: GovernedError) -> Outcome:
        """What a job comes to that ends without a run: cancelled while pending, expired, or interrupted."""
        end_us = now_us()
        envelope = envelope_of(error, plugin=job.plugin, time_us=end_us)
        return self._signed(Outcome(job.id, job.attempt, job.plugin, end_us, 0, ran=False, envelope=envelope), job)

    def _signed(self, outcome: Outcome, job: Job) -> Outcome:
        """The outcome with its receipt; where none can be made of it, such as for details that are no JSON, a failure
        of the service in its place. A job that is no job itself gets no receipt, and so no end in the store.
        """
        try:
            return self._signer.signed(outcome, job)
        except Exception as error:  # noqa: BLE001 - a job ends whatever its end looks like
            envelope = internal_envelope(error, job)
            ends = (outcome.end_time_us, outcome.duration_us, outcome.ran)
            instead = Outcome(
                job.id, job.attempt, job.plugin, *ends, envelope=envelope, code_digest=outcome.code_digest
            )
            with suppress(Exception):
                return self._signer.signed(instead, job)
            return outcome

    def update_execution_metrics(self, plugin: str, *, began: bool, succeeded: bool) -> None:
        """Set the plugin's state by what a run came to: INITIALIZED or FAILED. The outcome's counters are added up by
        the store, in the transaction of the finish.
        """
        if began:
            self._registry.end_run(plugin, succeeded=succeeded)

    @staticmethod
    @Permit.appoint
    def run_plugin(plugin: Plugin, payload: Payload, context: RunContext) -> dict[str, Any]:
        """The worker's half: run the plugin and check what it returns.

        Raises what the plugin raises, GovernedError OUTPUT_INVALID, or GovernanceViolation where the plugin runs
        another or itself.
        """
        with Permit(plugin):
            output = plugin.run(payload, context)
        validate_output(output)
        return output

    def _validate_input(self, entry: PluginEntry, job: Job) -> None:
        if entry.validator is None:
            raise GovernedError(
                ErrorReason.PLUGIN_UNAVAILABLE,
                f"The plugin {entry.name} is unavailable: {entry.state_reason}",
                {"state_reason": entry.state_reason},
            )
        entry.validator.validate(beginning_of(job.image), job.image.size_bytes, job.mime_type, job.options)


def beginning_of(image: StoredImage) -> bytes:
    """The first bytes of an image. Raises GovernedError BLOB_CORRUPTED where they cannot be read."""
    try:
        return image.head()
    except OSError as error:
        raise blob_corrupted(image.digest) from error


def internal_envelope(error: Exception, job: Job) -> ErrorEnvelope:
    """The envelope of a fault of the service: generic outside, whole inside."""
    logger.error("job %s: a fault of the service", job.id, exc_info=error)
    text = "".join(traceback.format_exception(error))
    message = "The service failed to run the job. Its operator finds the cause by the job's id."
    return ErrorEnvelope(ErrorReason.INTERNAL, message, {}, job.plugin, now_us(), text)
