"""The error envelope of each type, and what stays inside the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runward_service.api.conversion import envelope_to_proto, job_to_proto
from runward_service.api.status import status_of_envelope
from runward_service.domain.errors import ErrorReason, ErrorType
from runward_service.domain.job import ANONYMOUS, JobStatus
from tests.harness.service import analyze, changes, ended, query, submit
from tests.harness.stage import Stage

if TYPE_CHECKING:
    from runward_service.domain.envelope import ErrorEnvelope
    from runward_service.domain.job import Job
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Fails", "Decode", "Puppet")
SECRET = "hunter2"


def error_of(job: Job) -> ErrorEnvelope:
    """A failed job's envelope."""
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    return job.error


async def test_a_plugins_own_failure(service: Service) -> None:
    """PluginError: type PluginError, the plugin's message and details for the caller to read."""
    error = error_of(await analyze(service, "fails", {"how": "plugin_error"}))
    assert error.error_type is ErrorType.PLUGIN_ERROR
    assert (error.reason, error.message) == (ErrorReason.PLUGIN_RAISED, "The lamp is broken.")
    assert (error.details, error.plugin) == ({"lamp": 7}, "fails")


async def test_input_that_only_the_plugin_could_refuse(service: Service) -> None:
    """InvalidInput, raised or met while decoding: type ValidationError, reason INPUT_REJECTED."""
    error = error_of(await analyze(service, "fails", {"how": "invalid_input"}))
    assert (error.error_type, error.reason) == (ErrorType.VALIDATION_ERROR, ErrorReason.INPUT_REJECTED)
    assert (error.message, error.details) == ("The page is blank.", {"page": 1})
    error = error_of(await analyze(service, "decode", image=b"\xff\xd8\xff" + bytes(200), mime_type="image/jpeg"))
    assert (error.error_type, error.reason) == (ErrorType.VALIDATION_ERROR, ErrorReason.INPUT_REJECTED)


@pytest.mark.parametrize("how", ["raise", "exit"])
async def test_any_other_exception_is_generic_outside(service: Service, how: str) -> None:
    """The type is PluginError, the message tells nothing of the exception; SystemExit is no way out of the worker
    either.
    """
    error = error_of(await analyze(service, "fails", {"how": how}))
    assert (error.error_type, error.reason) == (ErrorType.PLUGIN_ERROR, ErrorReason.PLUGIN_RAISED)
    assert error.message == "The plugin failed. Its operator finds the cause by the job's id."
    assert error.details == {}


async def test_an_execution_that_was_ended(service: Service) -> None:
    """A cancelled run: type ExecutionError."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        await stage.enter()
        error = error_of(await service.analysis.cancel(job.id, ANONYMOUS))
    assert (error.error_type, error.reason) == (ErrorType.EXECUTION_ERROR, ErrorReason.CANCELLED)
    assert error.plugin == "puppet"


async def test_the_traceback_is_kept_apart(service: Service) -> None:
    """It is stored for the attempt, where an operator reads it; a job that is read back, also as a message, does not
    hold it.
    """
    job = await analyze(service, "fails", {"how": "raise"})
    ((attempt, traceback),) = await service.reader.tracebacks(job.id)
    assert attempt == 1
    assert "RuntimeError: password=hunter2" in traceback
    assert "sample_plugins.py" in traceback
    again = await service.reader.get_job(job.id, None)
    assert error_of(again).traceback == ""
    assert error_of(job).message == error_of(again).message
    assert query(
        service, "SELECT traceback FROM job_traceback t JOIN job j ON j.seq = t.job_seq WHERE j.id = ?", job.id
    )


async def test_no_secret_leaves_the_service(service: Service) -> None:
    """The text of an exception is in no message, status or row that a caller can be given."""
    job = await analyze(service, "fails", {"how": "raise"})
    assert SECRET not in str(job_to_proto(job))
    assert SECRET not in str(envelope_to_proto(error_of(job)))
    status = status_of_envelope(error_of(job), job.id)
    assert SECRET.encode() not in status.trailers[0][1]
    assert SECRET not in status.message
    async for update in changes(service, job.id):
        assert SECRET not in str(job_to_proto(update))
    row = query(service, "SELECT * FROM job WHERE id = ?", job.id)
    assert SECRET not in str(row)
    assert "Traceback" not in str(row)


async def test_what_a_plugin_calls_its_error_must_fit_json(service: Service) -> None:
    """Details that are no JSON do not break the envelope: it is generic, and the traceback tells."""
    async with Stage() as stage:
        job = await submit(service, "puppet", stage.options)
        visit = await stage.enter()
        visit.writer.write(b'{"do": "refuse", "text": "look", "details": {"x": NaN}}\n')
        error = error_of(await ended(service, job.id))
    assert error.reason is ErrorReason.PLUGIN_RAISED
    assert error.details == {}
    assert "look" in (await service.reader.tracebacks(job.id))[0][1]


async def test_the_worker_serves_on_after_failures(service: Service) -> None:
    """An exception ends the run, not the worker: the next run succeeds in the same service."""
    await analyze(service, "fails", {"how": "exit"})
    assert (await analyze(service, "fails", {"how": "succeed"})).status is JobStatus.SUCCESS
