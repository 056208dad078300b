"""A real gRPC server whose answers a test scripts, for what no well-behaved server does."""

from __future__ import annotations

import threading
from collections import namedtuple
from concurrent import futures
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2

import runward
from runward.cli.main import cli
from runward.v1 import errors_pb2, governance_pb2_grpc, jobs_pb2, jobs_pb2_grpc, plugins_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    Handler = Callable[[Any, grpc.ServicerContext], Any]

QUICK = runward.RetryPolicy(initial=0.01, longest=0.02)


class _Status(namedtuple("_Status", ("code", "details", "trailing_metadata")), grpc.Status):
    pass


def refusal(
    reason: str,
    code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT,
    *,
    error_type: str = "VALIDATION_ERROR",
    message: str = "no",
    details: dict[str, Any] | None = None,
    plugin: str = "",
    job_id: str = "",
    retry_after: float | None = None,
    domain: str = "runward",
    status_code: int | None = None,
) -> Handler:
    """Make a handler that ends a call as design section 2 says."""
    struct = Struct()
    struct.update(details or {})
    error = errors_pb2.Error(
        type=f"ERROR_TYPE_{error_type}",
        reason=f"ERROR_REASON_{reason}",
        message=message,
        details=struct,
        plugin=plugin,
        timestamp=Timestamp(seconds=1_700_000_000),
    )
    metadata = {"job_id": job_id} if job_id else {}
    found = [
        errors_pb2.ErrorEnvelope(error=error),
        error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata),
    ]
    if retry_after is not None:
        delay = Duration(seconds=int(retry_after), nanos=round(retry_after % 1 * 1e9))
        found.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=code.value[0] if status_code is None else status_code, message=message)
    for detail in found:
        status.details.add().Pack(detail)
    return ending(code, message, status.SerializeToString())


def ending(code: grpc.StatusCode, message: str = "broken", details: bytes | None = None) -> Handler:
    """Make a handler that ends a call with these bytes as its status details, or with none."""
    trailers = () if details is None else (("grpc-status-details-bin", details),)

    def end(_request: Any, context: grpc.ServicerContext) -> None:
        context.abort_with_status(_Status(code, message, trailers))

    return end


def make_job(status: str = "SUCCESS", revision: int = 1, **fields: Any) -> jobs_pb2.Job:
    """Make a Job message."""
    job = jobs_pb2.Job(id="job-1", plugin="ocr", status=f"JOB_STATUS_{status}", revision=revision, **fields)
    if status == "SUCCESS":
        job.result.update({"text": "hello"})
    if status == "FAILED":
        job.error.error.type = errors_pb2.ERROR_TYPE_PLUGIN_ERROR
        job.error.error.reason = errors_pb2.ERROR_REASON_PLUGIN_RAISED
        job.error.error.message = "the plugin gave up"
        job.error.error.plugin = "ocr"
    return job


class Hang:
    """A handler that never answers; it tells when a call has come in, and when its caller has gone."""

    def __init__(self, *first: Any) -> None:
        self._first = first
        self.entered = threading.Event()
        self.left = threading.Event()

    def unary(self, _request: Any, context: grpc.ServicerContext) -> None:
        self._wait(context)

    def stream(self, _request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Answer the first messages, then nothing more."""
        try:
            yield from self._first
            self._wait(context)
        finally:  # a caller that goes while a message is being sent closes the generator
            self.left.set()

    def _wait(self, context: grpc.ServicerContext) -> None:
        if not context.add_callback(self.left.set):
            self.left.set()
        self.entered.set()
        self.left.wait()


class ScriptedServer:
    """Answers each method as the test says, and UNIMPLEMENTED where it says nothing. Remembers the requests."""

    refusal = staticmethod(refusal)
    ending = staticmethod(ending)
    job = staticmethod(make_job)
    hang = Hang

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self.requests: dict[str, list[Any]] = {}
        self._server: grpc.Server | None = None
        self.port = 0
        self.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def on(self, method: str, handler: Handler) -> None:
        """Answer a method with what the handler returns; a generator answers a stream."""
        self._handlers[method] = handler

    def script(self, method: str, *handlers: Handler) -> None:
        """Answer the first call with the first handler, and so on; the last answers all further calls."""

        def next_handler(request: Any, context: grpc.ServicerContext) -> Any:
            return handlers[min(self.calls(method), len(handlers)) - 1](request, context)

        self.on(method, next_handler)

    def calls(self, method: str) -> int:
        return len(self.requests.get(method, ()))

    def start(self) -> None:
        """Listen, on the same port as before where there was one."""
        self._server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", -1)])
        for base, add in (
            (jobs_pb2_grpc.ExecutionServiceServicer, jobs_pb2_grpc.add_ExecutionServiceServicer_to_server),
            (plugins_pb2_grpc.PluginServiceServicer, plugins_pb2_grpc.add_PluginServiceServicer_to_server),
            (
                governance_pb2_grpc.GovernanceServiceServicer,
                governance_pb2_grpc.add_GovernanceServiceServicer_to_server,
            ),
        ):
            add(self._servicer(base), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        """Break every connection."""
        self._server.stop(0).wait()

    def _servicer(self, base: type) -> Any:
        servicer = base()
        for name in (name for name in vars(base) if name[0].isupper()):
            setattr(servicer, name, self._method(name, getattr(servicer, name)))
        return servicer

    def _method(self, name: str, unimplemented: Handler) -> Handler:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.requests.setdefault(name, []).append(request)
            return self._handlers.get(name, unimplemented)(request, context)

        return answer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Give a scripted server that listens on a free port."""
    scripted = ScriptedServer()
    yield scripted
    scripted.stop()


@pytest.fixture
async def rw(server: ScriptedServer) -> AsyncIterator[runward.Client]:
    """Give a client of the scripted server that does not wait long before it calls again."""
    async with runward.connect(server.target, retry=QUICK) as client:
        yield client


@pytest.fixture
def unused_target() -> str:
    """Give an address where nothing listens."""
    scripted = ScriptedServer()
    scripted.stop()
    return scripted.target


@pytest.fixture
def image(tmp_path):
    """Give the path of a file that begins like a PNG."""
    path = tmp_path / "receipt.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    return path


@pytest.fixture
def run(server):
    """Give a function that runs the command line against the scripted server."""

    def call(*arguments, **extra):
        return CliRunner(env={"RUNWARD_SERVER": server.target}).invoke(cli, [str(a) for a in arguments], **extra)

    return call
