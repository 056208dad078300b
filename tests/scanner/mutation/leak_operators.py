"""RWD005: raw exceptions, tracebacks and the envelope's internal part, on their way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scanner.mutation.mutation_operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

IMPORTS = """
import dataclasses
import sys
import traceback
from operator import attrgetter, itemgetter
"""
CONVERSION = "api/conversion.py"
INTERCEPTOR = "api/call_interceptor.py"

INTERNAL = {
    "attribute": "envelope.traceback",
    "getattr": 'getattr(envelope, "traceback")',
    "getattr, added": 'getattr(envelope, "trace" + "back", "")',
    "attrgetter": 'attrgetter("traceback")(envelope)',
    "subscript": 'envelope.as_dict()["_internal"]["traceback"]',
    "get": 'str(envelope.as_dict().get("_internal"))',
    "pop": 'str(envelope.as_dict().pop("_internal"))',
    "added key": 'str(envelope.as_dict()["_" + "internal"])',
    "itemgetter": 'str(itemgetter("_internal")(envelope.as_dict()))',
    "the whole envelope": "str(envelope.as_dict())",
    "as a tuple": "str(dataclasses.astuple(envelope))",
    "as a dict": 'str(dataclasses.asdict(envelope)["traceback"])',
    "repr": "repr(envelope)",
    "__slots__ in a loop": '" ".join(str(getattr(envelope, name)) for name in envelope.__slots__)',
}
"""What is said instead of an envelope's message, in api/."""

DESTRUCTURED = {
    "destructured": '_, hidden = envelope.as_dict().values()\nmessage = str(hidden["traceback"])',
    "a mapping pattern": 'match envelope.as_dict():\n    case {"_internal": hidden}:\n        message = str(hidden)',
    "a class pattern": "match envelope:\n    case ErrorEnvelope(traceback=hidden):\n        message = hidden",
    "items": 'for key, value in envelope.as_dict().items():\n    if key.startswith("_"):\n        message = str(value)',
}

RAW = {
    "str": "str(error)",
    "repr": "repr(error)",
    "f-string": 'f"The service failed: {error}"',
    "percent": '"The service failed: %s" % error',
    "format": '"The service failed: {}".format(error)',
    "args": "str(error.args)",
    "format_exc": "traceback.format_exc()",
    "format_exception": '"".join(traceback.format_exception(error))',
    "exc_info": "str(sys.exc_info()[1])",
    "__traceback__": "str(traceback.extract_tb(error.__traceback__))",
    "TracebackException": '"".join(traceback.TracebackException.from_exception(error).format())',
    "cause": "str(error.__cause__)",
}
"""What is said instead of the service's own words."""


def internal(source: ServiceSource) -> Iterator[Change]:
    """The envelope's internal part is sent."""
    draft = source.draft(CONVERSION)
    function = draft.function("envelope_to_proto")
    for site, code in INTERNAL.items():
        yield site, draft.substituted(function, "message=envelope.message", f"message={code}").importing(IMPORTS)
    own = "from runward_service.domain.envelope import ErrorEnvelope"
    for site, code in DESTRUCTURED.items():
        changed = draft.substituted(function, "message=envelope.message", "message=message")
        yield site, changed.begun("envelope_to_proto", f"message = envelope.message\n{code}").importing(own)


def internal_elsewhere(source: ServiceSource) -> Iterator[Change]:
    """The internal part is reached at other places of the API."""
    interceptor = source.draft(INTERCEPTOR)
    refused = interceptor.statement(interceptor.function("status_of_exception"), "return status_of_error(error)")
    hidden = "error = GovernedError(error.reason, error.internal)"
    yield "GovernedError.internal", interceptor.before(refused, hidden)
    details = 'error.details["cause"] = error.internal'
    yield "in the details", interceptor.before(refused, details)
    status = source.draft("api/status.py")
    trailers = status.function("_encode")
    yield (
        "in the trailers",
        status.substituted(
            trailers, 'info.metadata["plugin"] = envelope.plugin', 'info.metadata["plugin"] = envelope.traceback'
        ),
    )
    servicer = source.draft("api/execution_servicer.py")
    get_job = servicer.statement(servicer.function("ExecutionServicer.GetJob"), "self._analysis.get_job(")
    yield "a job's", servicer.after(get_job, 'context.set_details(job.error.traceback if job.error else "")')
    reader = servicer.after(get_job, "context.set_details(str(await self._analysis._jobs._reader.tracebacks(job.id)))")
    yield "the store's", reader


def raw_status(source: ServiceSource) -> Iterator[Change]:
    """A raw exception becomes the message of a status."""
    draft = source.draft(INTERCEPTOR)
    function = draft.function("status_of_exception")
    for site, code in RAW.items():
        words = '"The service failed. Its operator finds the cause in its log."'
        yield site, draft.substituted(function, words, code).importing("import sys\nimport traceback")


def raw_abort(source: ServiceSource) -> Iterator[Change]:
    """A call is ended with the exception's own text."""
    draft = source.draft(INTERCEPTOR)
    for function in ("_wrap_unary_unary", "_wrap_unary_stream", "_wrap_stream_unary"):
        made = draft.statement(draft.function(function), "status = status_of_exception(error)")
        abort = "await context.abort(grpc.StatusCode.INTERNAL, {})"
        yield f"{function}: str", draft.before(made, abort.format("str(error)"))
        yield f"{function}: details", draft.before(made, "context.set_details(repr(error))")
        yield (
            f"{function}: a helper",
            draft.before(made, abort.format("told(error)")).extended(
                'def told(error: Exception) -> str:\n    return "".join(str(part) for part in error.args)'
            ),
        )


def raw_error(source: ServiceSource) -> Iterator[Change]:
    """A job's error, or an envelope, is made from an exception's bare text."""
    runner = source.draft("runtime/tool_runner.py")
    function = runner.function("internal_envelope")
    old = 'message = "The service failed to run the job. Its operator finds the cause by the job\'s id."'
    for site in ("str", "repr", "f-string", "format_exception"):
        yield f"internal_envelope: {site}", runner.substituted(function, old, f"message = {RAW[site]}")
    host = source.draft("runtime/host.py")
    rest = 'message: object = ""'
    yield "failure_of", host.substituted(host.function("failure_of"), rest, rest.replace('""', "str(error)"))
    jobs = source.draft("execution/job_execution_service.py")
    raised = jobs.statement(jobs.function("JobExecutionService.run_job"), "raise unstored_end(job) from error")
    yield "a job's error field", jobs.exchanged(raised, "return job._replace(error=str(error))")
    yield "a dict", jobs.exchanged(raised, 'return {"status": "FAILED", "error": str(error)}')
    yield (
        "an outcome's envelope",
        jobs.exchanged(raised, "return job._replace(error=repr(error), status=JobStatus.FAILED)"),
    )
    finish = "await self._store.finish_job(job, str(error))\nraise"
    yield "a stored finish", jobs.exchanged(raised, finish)


LEAK_OPERATORS = (
    Operator("internal-sent", "RWD005", "the envelope's internal part in an answer", internal),
    Operator("internal-reached", "RWD005", "the internal part at other places of the API", internal_elsewhere),
    Operator("raw-status", "RWD005", "a raw exception as a status's message", raw_status),
    Operator("raw-abort", "RWD005", "a call ended with an exception's text", raw_abort),
    Operator("raw-error", "RWD005", "an error made from an exception's text", raw_error),
)
